const toYouWords: Readonly<Record<string, string>> = {
  "i am": "you are",
  "i was": "you were",
  "am i": "are you",
  "was i": "were you",
  "you are": "I am",
  "you were": "I was",
  i: "you",
  me: "you",
  my: "your",
  mine: "yours",
  myself: "yourself",
  "i'm": "you're",
  "i've": "you've",
  "i'd": "you'd",
  "i'll": "you'll",
  you: "me",
  your: "my",
  yours: "mine",
  yourself: "myself",
  "you're": "I'm",
  "you've": "I've",
};

/** What someone said of themselves, told back to them: "I like my cat" is "you like your cat". */
export const toYou = (sentence: string): string =>
  sentence.replace(SELF, (words) => {
    const turned = toYouWords[words.toLowerCase().replace("’", "'")];
    if (turned === undefined) return words;
    return /^\p{Lu}/u.test(words) && !/^I\b/.test(words) ? capital(turned) : turned;
  });

/** Pairs before single words: "I am" turns as a whole. */
const SELF = /\b(?:I am|I was|am I|was I|you are|you were|\p{L}+['’](?:m|ve|d|ll|re)|\p{L}+)(?!\p{L})/giu;

const capital = (word: string) => word.charAt(0).toUpperCase() + word.slice(1);

/** Verbs that may stand far from their subject ("She works and keeps bees"). */
const verbs = new Set(
  `is was has does knows works keeps lives likes loves makes takes wears speaks swears drives carries hates collects
  rolls rides writes reads sings plays sells mends hunts runs owns teaches studies cooks serves believes thinks says
  asks wants needs tries looks stays settles treats listens answers teases guards repairs travels tells sees paints
  plants brews bakes sails flies draws builds gives finds lets leaves brings holds sets helps never`.split(
    /\s+/,
  ),
);
/** Other words that end as verbs of the third person do. */
const noVerbs = new Set(
  `as this his its us hers ours yours theirs always perhaps sometimes besides thus towards afterwards whereas
  indoors outdoors upstairs downstairs nowadays news less unless across`.split(/\s+/),
);
/** What follows a verb, and hardly ever a noun in the plural. */
const OBJECT =
  /^ (?:an?|the|her|his|their|its|my|your|no|every|each|some|any|all|one|two|people|everyone|everybody|anyone|what|how|me|him|them|us|you|it|\p{Lu}\p{L}*)(?!\p{L})/u;
/** Whether a word that is joined to a verb is one too: a known one, or one that has an object. */
const isVerb = (word: string, after: string): boolean =>
  verbs.has(word) || (!noVerbs.has(word) && OBJECT.test(after));

const irregular: Readonly<Record<string, string>> = {
  is: "am",
  was: "was",
  has: "have",
  does: "do",
  "isn't": "am not",
};

const firstPerson = (verb: string): string => {
  const known = irregular[verb];
  if (known) return known;
  if (/[^aeiou]ies$/.test(verb)) return verb.replace(/ies$/, "y");
  if (/(?:ch|sh|ss|x|z|o)es$/.test(verb)) return verb.slice(0, -2);
  return /[^su]s$/.test(verb) ? verb.slice(0, -1) : verb;
};

export type Pronoun = "she" | "he" | "they" | "it" | "you" | "";

/** By which pronoun a card speaks of its character: what its sentences most often begin with. */
export function pronounOf(sentences: readonly string[]): Pronoun {
  let most: Pronoun = "";
  let mostCount = 0;
  for (const pronoun of ["she", "he", "they", "it", "you"] as const) {
    const begins = new RegExp(`^${pronoun}\\b`, "i");
    const count = sentences.filter((sentence) => begins.test(sentence)).length;
    if (count > mostCount) [most, mostCount] = [pronoun, count];
  }
  return most;
}

/**
 * What a card says of its character, in the character's own mouth: "Ada keeps bees in her garden" is
 * "I keep bees in my garden". Null where the sentence is not about the character.
 */
export function toI(sentence: string, character: string, pronoun: Pronoun): string | null {
  const [first = ""] = character.split(" ");
  const names = [character, first].filter((name) => name !== "").map(literally);
  const subjects = [...names, ...(pronoun === "" ? [] : [capital(pronoun)])];
  if (subjects.length === 0) return null;
  const [who] = new RegExp(`^(?:${subjects.join("|")})(?=[\\s,'’])`, "u").exec(sentence) ?? [];
  if (who === undefined) return null;
  const isPlural = who === "They" || who === "You";
  const turn = (verb: string) =>
    isPlural && verb === "are" ? "am" : isPlural && verb === "were" ? "was" : firstPerson(verb);
  const [head = "", ...tail] = sentence
    .slice(who.length)
    .split(/(?<=[,;:–—])(?= )|(?= (?:who|which|that|whose)\b)/);
  const said = [head.replace(VERB, (_all, gap, verb) => `${gap}${turn(verb)}`), ...tail];
  // Another subject may come in with "who" or "which"; verbs after it are its own, up to ", and".
  let isOfAnother = false;
  const own = said.map((part, i) => {
    if (i > 0 && /^ (?:who|which|that|whose)\b/.test(part)) isOfAnother = true;
    else if (/^ (?:and|but) /.test(part)) isOfAnother = false;
    if (isOfAnother) return part;
    return part.replace(JOINED_VERB, (all, link, verb, at: number) =>
      isVerb(verb, part.slice(at + all.length)) ? `${link} ${turn(verb)}` : all,
    );
  });
  const text = own.join("").replace(new RegExp(`\\b(?:${names.join("|") || "\\b\\B"})['’]s\\b`, "gu"), "my");
  return `I${turnPronouns(text, pronoun)}`;
}

/** The verb of a sentence, right after its subject. */
const VERB = /^(\s*,?\s*(?:(?:also|still|never|always|often|usually|sometimes|once) )?)([a-z']+)/;
const JOINED_VERB = /(\b(?:and|but|or)|^) ([a-z]+s)\b/g;

function turnPronouns(text: string, pronoun: Pronoun): string {
  switch (pronoun) {
    case "she":
      return text
        .replace(/\bshe ([a-z]+)\b/g, (_all, verb) => `I ${firstPerson(verb)}`)
        .replace(/\bherself\b/g, "myself")
        .replace(/\bhers\b/g, "mine")
        .replace(HER_AS_OBJECT, "me")
        .replace(/\bher\b/g, "my");
    case "he":
      return text
        .replace(/\bhe ([a-z]+)\b/g, (_all, verb) => `I ${firstPerson(verb)}`)
        .replace(/\bhimself\b/g, "myself")
        .replace(/\bhis\b/g, "my")
        .replace(/\bhim\b/g, "me");
    case "it":
      return text
        .replace(/\bits\b/g, "my")
        .replace(/\bitself\b/g, "myself")
        .replace(/\bit (is|has|does)\b/g, (_all, verb) => `I ${firstPerson(verb)}`);
    case "you":
      return text
        .replace(/\byour\b/g, "my")
        .replace(/\byou are\b/g, "I am")
        .replace(/\byou\b/g, "I");
    default:
      return text;
  }
}

const HER_AS_OBJECT =
  /\bher\b(?= (?:on|in|to|at|and|with|from|for|off|up|out|that|as|when|because|if|or|but|so)\b|[.,;:!?]|$)/g;

/** Where a sentence about others names the character: "Ann is here and Ada is on her watch". */
export function nameToI(sentence: string, character: string, pronoun: Pronoun): string {
  if (character === "") return sentence;
  const name = literally(character);
  const at = sentence.search(new RegExp(`\\b${name}(?!\\p{L})`, "u"));
  if (at === -1) return sentence;
  const named = sentence
    .slice(at)
    .replace(new RegExp(`\\b${name}['’]s\\b`, "gu"), "my")
    .replace(new RegExp(`\\b${name} ([a-z]+s)\\b`, "gu"), (all, verb) =>
      noVerbs.has(verb) ? all : `I ${firstPerson(verb)}`,
    )
    .replace(new RegExp(`\\b${name}(?!\\p{L})`, "gu"), "me");
  const own = possessives[pronoun];
  const rest = own === undefined ? named : named.replace(new RegExp(`\\b${own}\\b(?= \\p{L})`, "gu"), "my");
  return sentence.slice(0, at) + rest;
}

const possessives: Readonly<Partial<Record<Pronoun, string>>> = {
  she: "her",
  he: "his",
  they: "their",
  it: "its",
};

/** The user of a scene, spoken to: "Ann has just come in" is "you have just come in". */
export const userToYou = (sentence: string, user: string): string =>
  user === ""
    ? sentence
    : sentence
        .replace(new RegExp(`\\b${literally(user)}['’]s\\b`, "gu"), "your")
        .replace(
          new RegExp(`\\b${literally(user)}(?: ([a-z]+))?(?![\\p{L}])`, "gu"),
          (_all, verb?: string) =>
            verb === undefined ? "you" : `you ${secondPerson[verb] ?? firstPerson(verb)}`,
        );

const secondPerson: Readonly<Record<string, string>> = { is: "are", was: "were", has: "have", does: "do" };

/** A hyphen needs no escape, and may have none where the pattern is read as Unicode. */
const literally = (text: string) => text.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&");
