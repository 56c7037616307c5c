import { findSum, type Sum } from "./arithmetic.ts";
import { createMemory, type Memory } from "./memory.ts";
import { toYou } from "./person.ts";
import { createPersona, type Persona } from "./persona.ts";
import type { Scene } from "./prompt.ts";
import { asks, clip, lowerFirst, matterOf, pick, sentencesOf, upperFirst, withoutEnd } from "./text.ts";

/** Every so many messages the demo says again that it is one. */
const REMIND_EVERY = 8;
const ANSWERS_MAX = 3;
/** Sentences of a message that are looked at, the first. */
const SENTENCES_MAX = 40;

const IS_DEMO =
  "I speak by the rules of Parley's built-in demo: no language model is behind me. To talk with one, start LM Studio or set OPENAI_API_KEY.";
const STILL_DEMO = "(Still the demo speaking: rules, no language model.)";

/** Writes the reply to a scene: the same scene and variation always give the same reply. */
export function writeReply(scene: Scene, variation = 0): string {
  const persona = createPersona(scene);
  const sentences = sentencesOf(scene.message).slice(0, SENTENCES_MAX);
  const memory = createMemory(scene, sentences);
  const by = `${scene.message} ${scene.userMessages} ${scene.character}${variation || ""}`;
  const isFirst = scene.userMessages <= 1;

  const answers = answersTo(sentences, scene, persona, memory);
  const speech =
    answers.length > 0 ? [...new Set(answers)].join(" ") : talk(sentences, scene, persona, memory, by);
  const isToldWhat = speech.includes(IS_DEMO);
  const gesture = persona.gesture(by);
  const isExample = speech.startsWith("*") || /["“]/.test(speech.charAt(0));
  const voiced = isExample || !persona.quotes ? speech : `"${speech.replaceAll('"', "'")}"`;
  return [
    isFirst && !isToldWhat ? `*(${IS_DEMO})*` : "",
    isExample || gesture === "" ? voiced : `${gesture} ${voiced}`,
    !isFirst && !isToldWhat && scene.userMessages % REMIND_EVERY === 0 ? `*${STILL_DEMO}*` : "",
  ]
    .filter((part) => part !== "")
    .join("\n\n");
}

const asksWhatYouAre =
  /\b(?:who|what)(?:['’]?re| are| r) (?:you|u)\b(?! (?:like|\p{L}+ing)\b)|\b(?:what(?:['’]?s| is)|tell me) your name\b|\bwho am i (?:talking|speaking|chatting|writing)\b|\bare you (?:really )?(?:an? |the )?(?:real|human|person|bot|chatbot|robot|ai|a\.i\.|artificial|machine|demo|llm|chatgpt|gpt|language model|model|program|computer|conscious|alive)\b|\b(?:which|what) (?:language |ai )?(?:model|ai|llm)\b|\b(?:introduce|about) yourself\b|\bwhat can you do\b/iu;

function answersTo(sentences: readonly string[], scene: Scene, persona: Persona, memory: Memory): string[] {
  const answers: string[] = [];
  for (const [i, sentence] of sentences.entries()) {
    for (const part of asks(sentence) ? sentence.split(NEXT_QUESTION) : [sentence]) {
      if (answers.length === ANSWERS_MAX) return answers;
      const answer = answerTo(part, sentences.slice(0, i), scene, persona, memory);
      if (answer !== null) answers.push(answer);
    }
  }
  return answers;
}

/** Where one sentence holds two questions. */
const NEXT_QUESTION =
  /,?\s+(?:and|but|also|then)\s+(?=(?:also\s+)?(?:what|who|where|when|which|why|how|do|did|can|could|tell|are)\b)/i;

function answerTo(
  sentence: string,
  before: readonly string[],
  scene: Scene,
  persona: Persona,
  memory: Memory,
): string | null {
  const example = persona.example(sentence);
  const sum = findSum(sentence);
  if (sum) return sumSaid(sum, sentence);
  if (asksWhatYouAre.test(sentence)) return whatIAm(scene, persona);
  if (!asks(sentence)) return example;
  const recalled = memory.recall(sentence, before);
  if (recalled !== null) return recalled;
  const isAboutHere = /\b(?:you|your|yourself)\b|\bwhere are we\b/i.test(sentence);
  return example ?? (isAboutHere ? persona.about(sentence) : null);
}

function sumSaid(sum: Sum, by: string): string {
  if (sum.kind === "result") {
    const is = sum.isRounded ? "is about" : "is";
    const forms = [
      `${sum.expression} ${is} ${sum.result}.`,
      `That ${is} ${sum.result}: ${sum.expression}.`,
      `Let me see: ${sum.expression} ${is} ${sum.result}.`,
    ];
    return pick(forms, by) ?? "";
  }
  const why = {
    division_by_zero: "it divides by zero, and nothing can be shared out among none. It is undefined",
    too_large: "it grows beyond what I can write down",
    not_real: "no real number comes of it",
  };
  return `${sum.expression} has no answer that I could give: ${why[sum.why]}.`;
}

function whatIAm({ character }: Scene, persona: Persona): string {
  const name = character === "" ? "I have no name here." : `I am ${character}.`;
  const introduction = persona.introduction();
  return [name, introduction === "" || introduction === name ? "" : introduction, IS_DEMO]
    .filter((part) => part !== "")
    .join(" ");
}

/** What to say where there is nothing to answer. */
function talk(
  sentences: readonly string[],
  scene: Scene,
  persona: Persona,
  memory: Memory,
  by: string,
): string {
  const last = sentences.at(-1) ?? "";
  const you = memory.user === "" ? "" : `, ${memory.user}`;
  const polite = courtesy(sentences, you, by);
  const middle =
    pick(
      [persona.aside(by), persona.place(by)].filter((part) => part !== ""),
      `${by}1`,
    ) ?? "";
  if (polite) return join([polite.said, middle, polite.isEnd ? "" : goOn("", by)]);
  if (!isOfOurLetters(scene.message)) return join([foreign(scene.message), middle]);
  if (asks(last)) return join([honest(last, by), middle, goOn(topicOf(last, memory), by)]);
  return join([heard(sentences, by), memory.related(last) ?? "", middle, goOn(topicOf(last, memory), by)]);
}

const join = (parts: readonly string[]): string => parts.filter((part) => part !== "").join(" ");

/** The rules know English; where a message has few Latin letters they say so. */
function isOfOurLetters(message: string): boolean {
  const letters = message.match(/\p{L}/gu)?.length ?? 0;
  const latin = message.match(/\p{Script=Latin}/gu)?.length ?? 0;
  return latin * 2 >= letters;
}

const foreign = (message: string): string =>
  `My rules know English alone, so I can only give it back: “${clip(message, 120)}”`;

const greeting =
  /^(?:hi|hiya|hello|hey|howdy|yo|greetings|welcome|good (?:morning|afternoon|evening|day))\b[^.!?]{0,30}[.!?]*$/i;
const thanks = /\b(?:thanks|thank you|thx|cheers)\b/i;
const farewell = /\b(?:bye|goodbye|good night|see you|see ya|farewell|i have to go|gotta go)\b/i;
const agreement = /^(?:yes|yeah|yep|sure|ok|okay|right|indeed|of course|exactly|true)\b[^?]{0,20}$/i;
const refusal = /^(?:no|nope|nah|never|not really)\b[^?]{0,20}$/i;

/** Turns of talk that every language has: greetings, thanks, farewells, yes and no. */
function courtesy(sentences: readonly string[], you: string, by: string) {
  const [only = ""] = sentences;
  if (sentences.length > 2 || (sentences.length > 1 && !greeting.test(only))) return null;
  const found = courtesies.find(([pattern]) => pattern.test(only));
  if (!found) return null;
  const [, isEnd, options] = found;
  return { said: (pick(options, by) ?? "").replace("@", you), isEnd };
}

/** What is said, whether the talk may end there, and what is said back; `@` is the user's name. */
const courtesies: readonly (readonly [RegExp, isEnd: boolean, options: readonly string[]])[] = [
  [greeting, false, ["Hello@.", "Good to see you@.", "There you are@.", "Welcome@."]],
  [farewell, true, ["Until next time@.", "Go well@.", "Goodbye@, and come back when you like."]],
  [thanks, true, ["You are welcome@.", "Gladly@.", "No need to thank me@."]],
  [agreement, false, ["Good@.", "Then we agree@.", "So be it@."]],
  [refusal, false, ["Very well@.", "No, then@.", "As you say@."]],
];

/** A question that rules cannot answer is not answered by a guess. */
function honest(question: string, by: string): string {
  const topic = topicOf(question, null);
  const about = topic === "" ? "that" : `“${topic}”`;
  const options = [
    `You ask about ${about}, and I will not make something up: my rules do not reach that far.`,
    `About ${about} I honestly cannot tell you anything that I was not given.`,
    `I have turned ${about} over, and there is no answer to it in what I know.`,
    `A fair question. Of ${about} I know only what you or my card tell me, and that is not there.`,
  ];
  return pick(options, by) ?? "";
}

const sad =
  /\b(?:sad|tired|lonely|alone|afraid|scared|angry|worried|hurt|upset|crying|anxious|ill|sick|died|lost|miss|awful|terrible)\b/i;
const glad =
  /\b(?:happy|glad|excited|great|wonderful|proud|won|finally|amazing|delighted|married|passed|fun)\b/i;
const toKeep = /\b(?:remember|note|keep in mind|don['’]t forget)\b/i;

/** Shows that a statement was heard, in other words than its own. */
function heard(sentences: readonly string[], by: string): string {
  const text = sentences.join(" ");
  const told =
    sentences.findLast((sentence) => /\b(?:i|my|we|our|i['’]\p{L}+)\b/iu.test(sentence)) ?? sentences[0];
  if (told === undefined) return pick(["I see.", "Noted.", "Hm."], by) ?? "";
  const plain = withoutEnd(told).replace(
    /^(?:please |and |but |so |well,? |remember(?: that|:)? |note(?: that|:)? )+/i,
    "",
  );
  const short = clip(plain, 140);
  const isYours = /^(?:i|my|we|our|i['’]\p{L}+)\b/iu.test(short) && !/\byou/i.test(short);
  const back = isYours ? lowerFirst(toYou(short)) : `“${short}”`;
  if (toKeep.test(text)) return `I will keep that in mind: ${back}.`;
  const feeling = sad.test(text)
    ? pick(["I am sorry to hear it.", "That weighs something.", "Stay a while, then."], by)
    : glad.test(text)
      ? pick(["I am glad of it.", "That is good to hear.", "Well done."], by)
      : "";
  const forms = isYours
    ? [`So ${back}.`, `${upperFirst(back)}: I heard you.`, `Then ${back}.`, `I see, ${back}.`]
    : [`You say ${back}.`, `${back}: I will think about that.`, `I heard you: ${back}.`];
  return [pick(forms, by), feeling].filter((part) => part !== "" && part !== undefined).join(" ");
}

function goOn(topic: string, by: string): string {
  const about = [
    `What made you think of “${topic}”?`,
    `Tell me more about “${topic}”.`,
    `And what does “${topic}” mean to you?`,
    `What else is there to say about “${topic}”?`,
  ];
  const open = ["What is on your mind?", "What brings you here?", "Tell me something of yours."];
  return pick(topic === "" ? open : about, `${by}2`) ?? "";
}

const passing =
  /^(?:today|tomorrow|yesterday|tonight|morning|evening|really|maybe|perhaps|always|never|later|please|thanks|thank|hello|everyone|someone|anyone|favou?rite|called|named?|feel(?:ing|s)?|bit|lot|years?|old|because|since|little)$/i;

/** The word that a message seems to turn on: its longest that carries matter, the later of two. */
function topicOf(message: string, memory: Memory | null): string {
  const words = message.match(/[\p{L}\p{M}][\p{L}\p{M}'’-]*/gu)?.slice(0, 200) ?? [];
  let topic = "";
  for (const word of words) {
    if (word.length < 3 || word.length > 40 || passing.test(word) || matterOf(word).size === 0) continue;
    if (memory?.user.includes(word) || sad.test(word) || glad.test(word)) continue;
    if (word.length >= topic.length) topic = word;
  }
  return topic.replace(/['’]s$/, "");
}
