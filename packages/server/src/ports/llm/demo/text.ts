/** Rules look at the beginning of what never ends. */
const SENTENCE_LENGTH_MAX = 1_000;

/** The sentences of a text, without the space around them; line breaks end sentences too. */
export const sentencesOf = (text: string): string[] =>
  text
    .split(/(?<=[.!?…。！？]["”’*]*)\s+|\n+/u)
    .map((sentence) => sentence.trim().slice(0, SENTENCE_LENGTH_MAX))
    .filter((sentence) => /[\p{L}\p{N}]/u.test(sentence));

/** What a sentence says in turn of its speaker: "I am Ann and I like figs" says two things. */
export const clausesOf = (sentence: string): string[] =>
  sentence.split(/,?\s+(?:and|but)\s+(?=(?:i|my|i['’](?:m|ve|d|ll))\s+\p{L})/iu);

export const isQuestion = (sentence: string): boolean => /[?？]["”’*]*$/u.test(sentence);

/** A question by its mark, or by how it begins: people leave the mark out. */
export const asks = (sentence: string): boolean => isQuestion(sentence) || beginsAsQuestion.test(sentence);

const beginsAsQuestion =
  /^(?:(?:so|and|but|ok(?:ay)?|well|hey|hi|hello|please|now|then)[,\s]+)*(?:what|who|whom|whose|where|why|how|which|do you|did (?:i|you)|have (?:i|you)|are you|am i|can you|could you|would you|tell (?:me|us)|remind me|repeat|say|summ|recall|describe|name|give me|write|explain)\b/i;

export const upperFirst = (text: string): string => text.replace(/^\p{Ll}/u, (first) => first.toUpperCase());
export const lowerFirst = (text: string): string => text.replace(/^\p{Lu}/u, (first) => first.toLowerCase());

export const withoutEnd = (sentence: string): string => sentence.replace(/[\s.!?…,;:。！？]+$/u, "");

/** At most so many characters, cut between words where there are any. */
export function clip(text: string, max: number): string {
  const characters = [...text.replace(/\s+/g, " ").trim()];
  if (characters.length <= max) return characters.join("");
  const cut = characters.slice(0, max).join("");
  return `${cut.replace(/\s+\S*$/, "") || cut}…`;
}

const COMMON = new Set(
  `a an the and or but so if then than that this these those there here it its is are was were be been being am do
  does did done have has had having can could will would shall should may might must of in on at to from by for with
  about as into onto over under out up down off not no nor yes i me my mine myself you your yours yourself he him his
  she her hers we us our ours they them their theirs what which who whom whose when where why how just very really
  also too again still now please tell say said ask asked know remember recall remind mention mentioned talk talked
  told think let's lets some any much many more most own one thing things something anything get got go going want
  like s t m re ve ll d don doesn didn isn wasn aren ever`.split(/\s+/),
);

/** What different words have in common when someone asks for what was said. */
const same: readonly (readonly [root: string, words: string])[] = [
  ["name", "name named names called call"],
  ["live", "live lives living lived reside resides moved home"],
  ["work", "work works working worked job jobs profession occupation career living"],
  ["old", "old age aged years year turned"],
  ["birthday", "birthday born birth"],
  ["enjoy", "enjoy enjoys love loves loved loving adore adores fond likes liked"],
  ["hate", "hate hates hated dislike dislikes loathe loathes detest"],
  ["favourite", "favourite favorite favourites favorites best prefer prefers"],
  ["colour", "colour color colours colors"],
  ["mother", "mother mum mom mummy mommy"],
  ["father", "father dad daddy"],
  ["child", "child children kid kids"],
  ["film", "film films movie movies"],
  ["eat", "eat eats ate eating eaten"],
  ["buy", "buy buys bought buying"],
  ["go", "went gone travel travelled traveled"],
];
const roots = new Map(
  same.flatMap(([root, words]) => words.split(" ").map((word): [string, string] => [word, root])),
);

const stem = (word: string): string =>
  roots.get(word) ??
  (word.length > 4
    ? word
        .replace(/(?:ies)$/, "y")
        .replace(/(?:ing|ed|es|s)$/, "")
        .replace(/(.)\1$/, "$1")
    : word);

/** The words of a text that carry its matter, by their stems. */
export function matterOf(text: string): Set<string> {
  const words =
    text
      .toLowerCase()
      .replace(/[’']s\b/g, "")
      .match(/[\p{L}\p{M}]+|\p{N}+/gu) ?? [];
  const matter = new Set<string>();
  for (const word of words) if (!COMMON.has(word)) matter.add(stem(word));
  return matter;
}

/** A number that is always the same for a text. */
export function numberOf(text: string): number {
  let hash = 2_166_136_261;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 16_777_619);
  return hash >>> 0;
}

/** One of several, the same for the same text. */
export function pick<T>(options: readonly T[], by: string): T | undefined {
  return options[numberOf(by) % Math.max(1, options.length)];
}
