import type { Character } from "@parley-chat/sdk/contract";
import { isBlank, stripControl } from "../../../kit/text.ts";
import type { LoreBook } from "./lore.ts";
import { expandMacros, type MacroValues } from "./macros.ts";

/** The fields of a card that a model may see. Notes, creator, version and tags are for people (V2). */
export type PromptCharacter = Pick<
  Character,
  | "name"
  | "nickname"
  | "description"
  | "personality"
  | "scenario"
  | "mes_example"
  | "system_prompt"
  | "post_history_instructions"
> & { readonly character_book?: LoreBook };

/** What a model is told where the card says nothing else. */
export const DEFAULT_PLATFORM_PROMPT = `You are {{char}}, in a conversation with {{user}}. Stay in character: speak and act as {{char}} would, with {{char}}'s knowledge, manner and feelings. Write only {{char}}'s part and leave {{user}}'s words, thoughts and deeds to {{user}}. Build on what was said before, and keep to its facts.`;

/** The texts of a definition that every prompt holds, macros filled; "" where there is none. */
export interface Definition {
  /** How to act: the beginning of the first system message. */
  readonly opening: string;
  /** Who one is, and where: what follows it, before the examples. */
  readonly description: string;
  /** The trailing system message. */
  readonly postHistory: string;
}

/**
 * The order is from the general to the near, as card authors expect it: how to act, who one is, what
 * one is like, where one is; examples come after, next to the history that they lead into.
 *
 * One message, because many local models take a single system message. Its parts are set apart by
 * plain headings and not by secret delimiters: a card's author may replace the platform's prompt by
 * right, so there is nothing in this message to guard from the card. What must be guarded is the role,
 * and that is structural: nothing that a user or a history says comes in here but the user's name.
 * @param lengthMax stops soon after so many UTF-16 units; a text is then longer than that
 */
export function definitionOf(
  character: PromptCharacter,
  names: MacroValues,
  platformPrompt: string,
  lengthMax: number,
): Definition {
  const fill = (text: string, original?: string) =>
    expandMacros(
      stripControl(text),
      original === undefined ? names : { ...names, original },
      lengthMax,
    ).trim();
  const ours = fill(platformPrompt);
  const description = [
    headed(`Description of ${names.char}:`, fill(character.description)),
    headed(`Personality of ${names.char}:`, fill(character.personality)),
    headed("Scenario:", fill(character.scenario)),
  ];
  return {
    opening: isBlank(character.system_prompt) ? ours : fill(character.system_prompt, ours),
    description: joined(description),
    // We have no post-history instructions of our own for `{{original}}` to bring back.
    postHistory: isBlank(character.post_history_instructions)
      ? ""
      : fill(character.post_history_instructions, ""),
  };
}

/**
 * The blocks of example dialogue that `<START>` sets apart, macros filled. What follows the first
 * `lengthMax` UTF-16 units is left out, by whole blocks. The card is cut before its macros are filled:
 * no name makes blocks.
 */
export function exampleBlocksOf(character: PromptCharacter, names: MacroValues, lengthMax: number): string[] {
  if (isBlank(character.mes_example)) return [];
  const blocks: string[] = [];
  let left = lengthMax;
  for (const written of stripControl(character.mes_example).split(/<START>/i)) {
    const block = expandMacros(written, names, left);
    if (block.length > left) break;
    left -= block.length;
    blocks.push(block);
  }
  return blocks
    .filter((block) => !isBlank(block))
    .map((block) => headed(`Example of how ${names.char} speaks:`, block.trim()));
}

/** Sections as paragraphs, empty ones left out. */
export const joined = (sections: readonly string[]): string =>
  sections.filter((section) => section !== "").join("\n\n");

export const headed = (heading: string, text: string): string => (isBlank(text) ? "" : `${heading}\n${text}`);
