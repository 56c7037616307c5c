import type { PromptMessage } from "../llm.ts";
import { sentencesOf } from "./text.ts";

/** What a prompt says, as far as rules can tell. */
export interface Scene {
  /** The character's name, or "" where nothing tells it. */
  readonly character: string;
  /** What the prompt calls the user; "User" where no name is known, "" where it says nothing. */
  readonly user: string;
  /** What stands in the definition about the character, sentence by sentence. */
  readonly facts: readonly string[];
  readonly traits: readonly string[];
  readonly scenario: readonly string[];
  /** Example exchanges: what a user says, what the character answers. */
  readonly examples: readonly { readonly asked: string; readonly answered: string }[];
  /** The conversation before the message to answer, oldest first. */
  readonly history: readonly PromptMessage[];
  /** What is to be answered. */
  readonly message: string;
  /** How many messages of the user there are, this one included. */
  readonly userMessages: number;
}

const HEADING = /^(?:(Description|Personality) of (.+)|(Scenario|Background)|Example of how (.+) speaks):$/;

/** Reads a prompt: a definition in system messages, the talk in the others. */
export function readScene(messages: readonly PromptMessage[]): Scene {
  const talk = messages.filter(({ role }) => role !== "system");
  const lastUser = talk.findLastIndex(({ role }) => role === "user");
  const definition = messages.filter(({ role }) => role === "system").map(({ content }) => content);
  const sections = sectionsOf(definition.join("\n"));
  const intro = sections.intro.join("\n");
  const character = sections.name || nameIn(intro);
  return {
    character,
    user: userIn(intro),
    facts: sentencesOf(sections.description.join("\n") || (sections.name === "" ? intro : "")),
    traits: sentencesOf(sections.personality.join("\n")),
    scenario: sentencesOf(sections.scenario.join("\n")),
    examples: examplesIn(sections.examples.join("\n"), character),
    history: talk.slice(0, Math.max(0, lastUser)),
    message: talk[lastUser]?.content ?? "",
    userMessages: talk.filter(({ role }) => role === "user").length,
  };
}

/** Splits a definition at its headings; what stands before the first is the introduction. */
function sectionsOf(definition: string) {
  const sections = {
    intro: [] as string[],
    description: [] as string[],
    personality: [] as string[],
    scenario: [] as string[],
    examples: [] as string[],
    name: "",
  };
  let into = sections.intro;
  for (const line of definition.split("\n")) {
    const [whole, which, of, scenario, speaker] = HEADING.exec(line.trim()) ?? [];
    if (whole === undefined) into.push(line);
    else {
      sections.name ||= of ?? speaker ?? "";
      if (scenario) into = scenario === "Background" ? sections.description : sections.scenario;
      else if (speaker !== undefined) into = sections.examples;
      else into = which === "Description" ? sections.description : sections.personality;
      if (speaker !== undefined) into.push("");
    }
  }
  return sections;
}

/** "You are Ada, …", as system prompts begin. */
const nameIn = (intro: string): string =>
  /\b(?:You are|You're|Act as|Your name is|I am)\s+(\p{Lu}[\p{L}\p{M}'’-]*(?:\s+\p{Lu}[\p{L}\p{M}'’-]*){0,3})/u.exec(
    intro,
  )?.[1] ?? "";

const userIn = (intro: string): string =>
  /\bconversation with ([^\n.,]{1,100})[.,]/.exec(intro)?.[1]?.trim() ?? "";

/** Lines such as `Ann: …` in turn; those of the character are answers. */
function examplesIn(text: string, character: string) {
  const examples: { asked: string; answered: string }[] = [];
  let asked = "";
  for (const line of text.split("\n")) {
    const [, speaker = "", said = ""] = /^([^:\n]{1,100}):\s+(\S.*)$/u.exec(line.trim()) ?? [];
    if (said === "") continue;
    if (speaker === character) examples.push({ asked, answered: said });
    else asked = said;
  }
  return examples;
}
