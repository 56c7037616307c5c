import type { PromptMessage } from "../llm.ts";
import { toYou } from "./person.ts";
import type { Scene } from "./prompt.ts";
import {
  asks,
  clausesOf,
  clip,
  lowerFirst,
  matterOf,
  pick,
  sentencesOf,
  upperFirst,
  withoutEnd,
} from "./text.ts";

/** Sentences of the history that are looked through, the newest. */
const SENTENCES_MAX = 2_000;
const QUOTE_LENGTH = 200;
/** What prompts call a user without a name. */
const UNNAMED = "User";
/** How much of a question's matter a sentence must share to answer it. */
const SHARE_MIN = 0.5;
const RELATED_SHARE_MIN = 0.3;

interface Said {
  readonly role: "user" | "assistant";
  readonly text: string;
  readonly matter: Set<string>;
}

/** What the conversation holds, for questions about it. */
export interface Memory {
  /** The user's name as they gave it, else as the prompt has it, else "". */
  readonly user: string;
  /**
   * An answer out of what was said, or null where the question is not about that.
   * @param before what the same message says before its question
   */
  recall(question: string, before: readonly string[]): string | null;
  /** Something the user said earlier that shares matter with this, told back to them; or null. */
  related(statement: string): string | null;
}

/** @param message the sentences of the message that is answered */
export function createMemory(scene: Scene, message: readonly string[]): Memory {
  const earlier = everythingSaid(scene.history);
  const known = scene.user === UNNAMED ? "" : scene.user;
  return {
    user: nameOf([...ownOf(earlier), ...message.flatMap(saidByUser)]) ?? known,
    recall(question, before) {
      const said = [...earlier, ...before.flatMap(saidByUser)];
      const own = ownOf(said);
      return (
        aboutTheTalk(question, scene) ??
        aboutTheName(question, known, own) ??
        aboutYou(question, own) ??
        aboutMatter(question, said, own)
      );
    },
    related(statement) {
      const pool = ownOf(earlier).filter(({ text }) => !asks(text));
      const [found] = best(matterOf(statement), pool, RELATED_SHARE_MIN);
      return found === undefined ? null : toldBack(found);
    },
  };
}

const ownOf = (said: readonly Said[]) => said.filter(({ role }) => role === "user");

const saidByUser = (sentence: string): Said[] =>
  (asks(sentence) ? [sentence] : clausesOf(sentence)).map((text) => ({
    role: "user",
    text,
    matter: withImplied(text),
  }));

function everythingSaid(history: readonly PromptMessage[]): Said[] {
  return history
    .flatMap(({ role, content }) => sentencesOf(content).map((text) => ({ role, text })))
    .slice(-SENTENCES_MAX)
    .flatMap(({ role, text }) =>
      role === "user" ? saidByUser(text) : [{ role: "assistant" as const, text, matter: matterOf(text) }],
    );
}

/** Kinds of things that people tell of themselves, and ask for, in words that share none. */
const implied: readonly (readonly [root: string, told: RegExp, asked: RegExp])[] = [
  [
    "work",
    /\bi(?:['’]m| am| work as| was) (?:an?|the) \p{L}|\bi work (?:as|at|for|in)\b/iu,
    /\bwhat do i do\b(?! (?:if|when|with|about))|\bwhat am i\s*[?.!]*$/i,
  ],
  ["old", /\bi(?:['’]m| am| turned) (?:\d|\p{L}+ty\b)/iu, /\bhow old am i\b/i],
  [
    "live",
    /\bi(?:['’]m| am| come) from\b|\bi (?:stay|grew up) in\b/i,
    /\bwhere (?:am|do) i\b.*\b(?:from|live|stay)\b/i,
  ],
  [
    "enjoy",
    /\bi(?:['’]m| am)? (?:(?:really|also|still|do|quite|absolutely) )*(?:like|love|adore|enjoy|prefer|into|fond of)\b/i,
    /\bwhat (?:\p{L}+ )?(?:do|did|am) i (?:really |most |also )?(?:like|into|love|enjoy)\b|\bdo i like\b/iu,
  ],
  [
    "own",
    /\bi(?:['’]ve got| have| own| got) (?:an?|the|one|two|three|four|five|six|some|many|no|\d+) \p{L}/iu,
    /\bwhat do i (?:have|own)\s*[?.!]*$/i,
  ],
  ["allergic", /\ballerg/i, /\ballerg/i],
];

/** "I'm a nurse" is about work without the word, "I'm 34" about age, "I'm from Cork" about home. */
const withImplied = (text: string): Set<string> =>
  new Set([...matterOf(text), ...implied.filter(([, told]) => told.test(text)).map(([root]) => root)]);

const askedFor = (question: string): Set<string> =>
  new Set([
    ...matterOf(question),
    ...implied.filter(([, , asked]) => asked.test(question)).map(([root]) => root),
  ]);

/** Questions about the talk itself: what came first, last, how often. */
function aboutTheTalk(question: string, { history, userMessages }: Scene): string | null {
  const mine = history.filter(({ role }) => role === "user").map(({ content }) => content);
  const yours = history.filter(({ role }) => role === "assistant").map(({ content }) => content);
  const asked = mine.flatMap(sentencesOf).filter(asks);
  const quoted = (what: string, text: string | undefined) =>
    text === undefined
      ? "Nothing of that kind was said before this."
      : `${what}: “${clip(text, QUOTE_LENGTH)}”`;
  if (/\bhow many\b.*\b(?:messages|things|times)\b.*\bi\b/i.test(question)) {
    return `Counting this one, you have sent ${userMessages} ${userMessages === 1 ? "message" : "messages"} that I can see.`;
  }
  if (/\b(?:first|initial)\b.*\bquestion\b|\bquestion\b.*\bfirst\b/i.test(question)) {
    return quoted("Your first question was", asked[0]);
  }
  if (/\b(?:last|previous)\b.*\bquestion\b|\bwhat did i (?:just )?ask\b(?! (?:you )?about)/i.test(question)) {
    return quoted("Your last question was", asked.at(-1));
  }
  if (
    /\bfirst\b.*\b(?:i|my|we)\b.*\b(?:say|said|told|tell|wrote|message)|\b(?:i|my)\b.*\bfirst (?:say|message|words)/i.test(
      question,
    )
  ) {
    return quoted("The first thing you said was", mine[0]);
  }
  if (
    /\bwhat (?:did|was) i (?:just|last) (?:say|said|tell|write)|\bmy (?:last|previous) message|\bwhat did i (?:just )?say(?: (?:just now|before|last|earlier))?\s*[?.!]*$|\brepeat (?:what i|my last)/i.test(
      question,
    )
  ) {
    return quoted("You said", mine.at(-1));
  }
  if (
    /\bwhat did you (?:just )?say(?: (?:just now|before|last|earlier))?\s*[?.!]*$|\b(?:say that|repeat that|come) again\b|\bwhat was your last (?:message|reply)|^repeat (?:that|yourself)/i.test(
      question,
    )
  ) {
    return quoted("I said", yours.at(-1));
  }
  return null;
}

const NAME = String.raw`(\p{L}[\p{L}\p{M}'’-]*(?:\s+\p{Lu}[\p{L}\p{M}'’-]*){0,2})`;
const CAPITAL_NAME = NAME.replace(String.raw`\p{L}[`, String.raw`\p{Lu}[`);
/** From the surest way of giving one's name to the least sure. */
const introductions = [
  new RegExp(
    String.raw`\b(?:[Mm]y|the) (?:full |first |real )?name(?:['’]s| is|:| was)?\s+(?!not\b|is\b|on\b)${NAME}`,
    "u",
  ),
  new RegExp(
    String.raw`\b(?:[Cc]all me|[Ii](?:['’]m| am) (?:called|named)|I go by|[Tt]hey call me|[Pp]eople call me)\s+${NAME}`,
    "u",
  ),
  new RegExp(
    String.raw`\b(?:I['’]?m|I am|[Ii]t['’]?s|[Tt]his is)\s+(?:not \p{L}+,? (?:but|it['’]s|I['’]m) )?${CAPITAL_NAME}(?=\s*(?:[.,!?;]|$|and\b|from\b|here\b|by the way))`,
    "u",
  ),
] as const;
/** Capitalised after "I'm" and no name. */
const notNames =
  /^(?:I|Not|Sorry|OK|Okay|Fine|Here|God|Mr|Mrs|German|French|Dutch|Greek|Swiss|Thai|Czech)$|(?:ish|ese)$|ian$/;

function nameOf(own: readonly Said[]): string | null {
  for (const introduction of introductions) {
    for (const { text } of own.toReversed()) {
      if (asks(text)) continue;
      const name = introduction.exec(text)?.[1]?.replace(/\s+(?:and|but|from|so)$/i, "");
      if (name && !notNames.test(name)) return name.split(" ").map(upperFirst).join(" ");
    }
  }
  return null;
}

const asksName =
  /\b(?:what(?:['’]?s| is| was)?|tell|say|know|remember|recall|remind|guess|forgot|forgotten|do you have)\b.*\bmy (?:full |first |own )?name\b|\bmy name\b.*\?|\bwho am i\b|\bwhat am i called\b|\bwhat (?:do|should) you call me\b|\bwho i am\b/i;

function aboutTheName(question: string, user: string, own: readonly Said[]): string | null {
  if (!asksName.test(question) || /\bmy name (?:is|['’]s)\b/i.test(question)) return null;
  const told = nameOf(own);
  if (told !== null) return `Your name is ${told}. You told me so yourself.`;
  return user === ""
    ? "You have not told me your name yet."
    : `You are ${user}, going by the name on your account.`;
}

/** "What do you know about me?", "What have we talked about?" */
function aboutYou(question: string, own: readonly Said[]): string | null {
  const asksOfYou =
    /\b(?:what|anything|everything|all)\b.*\b(?:know|remember|learn(?:ed|t)?|told you)\b.*\b(?:about|of) (?:me|myself)\b|\bwhat (?:have|did) (?:we|i) (?:talk|speak|discuss|chat|say|told|tell)(?:ed)?\b(?!.*\babout \p{L})|\bsumm(?:ary|ari[sz]e)\b|\bwhat do you remember\s*[?.!]*$/iu;
  if (!asksOfYou.test(question)) return null;
  const facts = own
    .map(({ text }) => text)
    .filter((text) => !asks(text) && /\b(?:i|my|me|we|our)\b/i.test(text));
  const newest = facts.slice(-5).map((fact) => `“${clip(fact, 100)}”`);
  if (newest.length === 0) return "You have not told me anything about yourself yet.";
  return `This is what you told me: ${newest.join(", ")}.`;
}

/** Whether a question leans on what was said before, so that an honest "no" is an answer too. */
const leansOnTalk =
  /\b(?:do|can|did) you (?:still )?(?:remember|recall)\b|\bremind me\b|\b(?:did|have) i (?:ever )?(?:say|said|tell|told|mention|mentioned|talk)\b|\bi (?:just |already )?(?:said|told|mentioned)\b|\b(?:what|where|who|which|when|how)(?:['’]s)?(?: (?!can|could|should|would|might|must|shall|will)\p{L}+){0,2} (?:i|my)\b/iu;

function aboutMatter(question: string, said: readonly Said[], own: readonly Said[]): string | null {
  const isAboutYours = /\b(?:did|have) you (?:say|said|tell|told|mention|mentioned)\b/i.test(question);
  const matter = askedFor(question);
  const isLeaning = leansOnTalk.test(question);
  const pool = (isAboutYours ? said.filter(({ role }) => role === "assistant") : own).filter(
    ({ text }) => !asks(text) && !leansOnTalk.test(text),
  );
  if (matter.size > 0) {
    const found = best(matter, pool, isLeaning ? 0.3 : SHARE_MIN);
    if (isAboutYours && found[0] !== undefined) return `I said: “${clip(found[0], QUOTE_LENGTH)}”`;
    if (found[0] !== undefined) return found.map(toldBack).join(" ");
  }
  if (!isLeaning && !isAboutYours) return null;
  return matter.size === 0 ? null : notTold(question, isAboutYours);
}

const notTold = (question: string, isAboutYours: boolean): string => {
  if (isAboutYours) return "I find nothing of the kind in what I said so far.";
  const options = [
    "You have not told me that yet.",
    "That is not in what you have told me so far.",
    "I look through what you said, and that is not there yet.",
  ];
  return pick(options, question) ?? "";
};

/** The sentences that share most of this matter; of equals the latest, and another that adds to it. */
function best(matter: ReadonlySet<string>, pool: readonly Said[], shareMin: number): string[] {
  const weights = new Map<string, number>();
  for (const word of matter) {
    const count = pool.reduce((sum, each) => sum + (each.matter.has(word) ? 1 : 0), 0);
    weights.set(word, Math.log(2 + pool.length / (1 + count)));
  }
  const whole = [...weights.values()].reduce((sum, weight) => sum + weight, 0);
  let top: { share: number; text: string } | undefined;
  let second: { share: number; text: string } | undefined;
  for (const { text, matter: own } of pool) {
    let share = 0;
    for (const [word, weight] of weights) if (own.has(word)) share += weight / whole;
    if (share < shareMin || share === 0) continue;
    if (!top || share >= top.share) {
      second = top;
      top = { share, text };
    }
  }
  const isAddition =
    top && second && second.share === top.share && matter.size === 1 && second.text !== top.text;
  return [...(isAddition && second ? [second.text] : []), ...(top ? [top.text] : [])];
}

/** "Remember that my dog is called Pepper." is told back as "You told me that your dog is called Pepper." */
function toldBack(sentence: string): string {
  const plain = withoutEnd(sentence).replace(
    /^(?:please |and |but |so |oh,? |well,? |also,? |actually,? |by the way,? |btw,? |remember(?: that|:)? |note(?: that|:)? |i (?:said|told you) (?:that )?)+/i,
    "",
  );
  if (/^(?:i|my|mine|i['’]\p{L}+)\b/iu.test(plain) && !/\byou/i.test(plain) && plain.length < QUOTE_LENGTH) {
    return (
      pick(
        [
          `You told me: ${lowerFirst(toYou(plain))}.`,
          `${upperFirst(toYou(plain))}, as you told me.`,
          `You said that ${lowerFirst(toYou(plain))}.`,
        ],
        plain,
      ) ?? ""
    );
  }
  return `You said: “${clip(plain, QUOTE_LENGTH)}”.`;
}
