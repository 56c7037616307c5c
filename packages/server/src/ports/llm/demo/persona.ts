import { nameToI, pronounOf, toI, userToYou } from "./person.ts";
import type { Scene } from "./prompt.ts";
import { clip, lowerFirst, matterOf, pick, upperFirst, withoutEnd } from "./text.ts";

const SENTENCE_LENGTH = 240;

/** What the rules can draw from a card. */
export interface Persona {
  /** "I keep the lamp of Skerry Light.", or "" where the card says nothing. */
  introduction(): string;
  /** What the card says to a question about the character; null where it says nothing. */
  about(question: string): string | null;
  /** An example answer of the card to nearly this, or null. */
  example(message: string): string | null;
  /** A gesture of the character's own (`*She turns her cup.*`), or "". */
  gesture(by: string): string;
  /** A sentence about the character to fill a reply with, or "". */
  aside(by: string): string;
  /** Where the talk takes place, or "". */
  place(by: string): string;
  /** Whether the character's lines stand in quotation marks. */
  readonly quotes: boolean;
}

export function createPersona(scene: Scene): Persona {
  const { character, facts, traits, scenario, examples, history } = scene;
  const pronoun = pronounOf(facts);
  const mine = (sentence: string) => {
    const told = toI(sentence, character, pronoun);
    return told === null ? null : userToYou(told, scene.user);
  };
  /** Of a scene, "it" is the hour or the weather. */
  const placed = (sentence: string) => {
    const told =
      toI(sentence, character, pronoun === "it" ? "" : pronoun) ?? nameToI(sentence, character, pronoun);
    return upperFirst(userToYou(clip(told, SENTENCE_LENGTH), scene.user));
  };
  const own = facts.flatMap((fact) => {
    const told = fact.length <= SENTENCE_LENGTH ? mine(fact) : null;
    return told === null ? [] : [{ told, matter: withImplied(fact) }];
  });
  const spoken = [
    ...history.filter(({ role }) => role === "assistant").map(({ content }) => content),
    ...examples.map(({ answered }) => answered),
  ];
  const lately = history.filter(({ role }) => role === "assistant").slice(-1)[0]?.content ?? "";
  const gestures = [...new Set(spoken.flatMap(gesturesIn))].filter((gesture) => !lately.includes(gesture));
  const isSaid = (text: string) => history.some(({ content }) => content.includes(text));

  return {
    introduction: () =>
      own[0]?.told ?? (facts[0] === undefined || pronoun === "you" ? "" : clip(facts[0], SENTENCE_LENGTH)),
    about(question) {
      const matter = aboutYourself(question);
      const place = scenario.find((sentence) => PLACED.test(sentence));
      if (/\bwhere are (?:you|we)\b/i.test(question) && place) return placed(place);
      if (
        /\bhow are you\b|\bwhat are you like\b|\bdescribe yourself\b|\bpersonality\b/i.test(question) &&
        traits[0]
      ) {
        return traitsOf(traits[0]);
      }
      return closest(matter, own)?.told ?? null;
    },
    example(message) {
      const matter = matterOf(message);
      const told = examples.map(({ asked, answered }) => ({ told: answered, matter: matterOf(asked) }));
      return closest(matter, told, 0.6)?.told ?? null;
    },
    gesture: (by) => pick(gestures, by) ?? "",
    aside: (by) =>
      pick(
        own.map(({ told }) => told).filter((told) => !isSaid(told)),
        by,
      ) ?? "",
    place: (by) =>
      pick(
        scenario.map(placed).filter((told) => !isSaid(told)),
        by,
      ) ?? "",
    quotes: spoken.some((text) => /[*\n]\s*["“]|^["“]/.test(text)),
  };
}

const PLACED = /\b(?:in|on|at|aboard|under|near|before|beside|inside)\b/i;

/** A sentence about someone's years or trade need not name them so. */
function withImplied(fact: string): Set<string> {
  const matter = matterOf(fact);
  if (/\b(?:is|am|are) (?:\d+|\p{L}*(?:ty|teen)\b)/iu.test(fact)) matter.add("old");
  if (/\b(?:is|am|are|was) (?:an?|the) \p{L}/iu.test(fact)) matter.add("work");
  return matter;
}

/** What of a question is about the character: "your job", "do you have a cat". */
const aboutYourself = (question: string): Set<string> => {
  const matter = matterOf(question);
  if (/\bwhat do you do\b/i.test(question)) matter.add("work");
  if (/\bhow old are you\b|\byour age\b/i.test(question)) matter.add("old");
  return matter;
};

function closest<T extends { matter: ReadonlySet<string> }>(
  matter: ReadonlySet<string>,
  pool: readonly T[],
  shareMin = 0.5,
): T | undefined {
  let top: T | undefined;
  let topShare = 0;
  for (const each of pool) {
    const share = [...matter].filter((word) => each.matter.has(word)).length / Math.max(1, matter.size);
    if (share > topShare) [top, topShare] = [each, share];
  }
  return topShare >= shareMin ? top : undefined;
}

/** Short gestures between asterisks that no quotation interrupts. */
const gesturesIn = (text: string): string[] =>
  [...text.matchAll(/\*([^*\n"“”]{8,120}[.!…])\*/g)].map(([gesture]) => gesture);

/** "Calm, dry, patient." is a list; whole sentences about the character are told as they are. */
const traitsOf = (trait: string): string =>
  /^[\p{L}-]+(?:[ ,]+(?:and |a )?[\p{L}-]+)*[.]?$/u.test(trait) && trait.length < 120
    ? `People find me ${lowerFirst(withoutEnd(trait))}.`
    : clip(trait, SENTENCE_LENGTH);
