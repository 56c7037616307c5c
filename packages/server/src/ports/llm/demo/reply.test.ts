import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { PromptMessage } from "../llm.ts";
import { readScene } from "./prompt.ts";
import { writeReply } from "./reply.ts";

const CARD = `You are Mara Quill, in a conversation with User. Stay in character.

Description of Mara Quill:
Mara Quill keeps bees on the roof of a bakery in Lisbon. She is forty-four and carries a brass smoker wherever she goes. Her honey won a medal once. She owns a blue bicycle that has no brakes.

Personality of Mara Quill:
Wry, patient, curious.

Scenario:
User has climbed up to the roof. Mara Quill is in the middle of the harvest.

Example of how Mara Quill speaks:
User: Aren't you afraid of being stung?
Mara Quill: *She holds up a swollen thumb.* "Afraid? We are colleagues."`;

/** The conversation so far, the user's turns and replies by turns, and what is said now. */
function ask(said: string | readonly string[], system = CARD): string {
  const turns = typeof said === "string" ? [said] : said;
  const messages: PromptMessage[] = [{ role: "system", content: system }];
  for (const [i, content] of turns.entries()) {
    messages.push({ role: "user", content });
    if (i < turns.length - 1) messages.push({ role: "assistant", content: `Reply number ${i}.` });
  }
  return writeReply(readScene(messages));
}

describe("it recalls what the conversation holds", () => {
  test.each<[told: string, question: string, expected: string]>([
    ["My name is Beatrice.", "What is my name?", "Beatrice"],
    ["Hi, I'm Tom!", "do you remember my name?", "Tom"],
    ["Call me Ishmael.", "who am I", "Ishmael"],
    ["People call me Jo, by the way.", "Can you tell me my name?", "Jo"],
    ["my name is karl and i sail", "what's my name", "Karl"],
    ["I live in a small town near Porto.", "Where do I live?", "Porto"],
    ["I'm from Reykjavik.", "where am I from?", "Reykjavik"],
    ["I moved to Dublin last year.", "Which city do I live in?", "Dublin"],
    ["My favorite color is teal.", "What's my favourite colour?", "teal"],
    ["My dog is called Pepper.", "what is the name of my dog?", "Pepper"],
    ["I have a cat named Moss.", "What is my cat called?", "Moss"],
    ["I love strawberries.", "What do I like?", "strawberries"],
    ["My name is Robin and I like plums.", "What do I like?", "plums"],
    ["My name is Robin and I like plums.", "What fruit do I like?", "plums"],
    ["My name is Robin and I like plums.", "What is my name?", "Your name is Robin."],
    ["I am into chess.", "What am I into?", "chess"],
    ["I'm Ada, I'm tall, and I have two goats.", "What do I have?", "two goats"],
    ["I'm a baker, but I live in Lyon.", "Where do I live?", "Lyon"],
    ["I am a potter and my wife sings.", "What am I?", "potter"],
    ["I work for the railway.", "What do I do?", "railway"],
    ["I am a nurse.", "What do I do for a living?", "nurse"],
    ["I work as a carpenter.", "what's my job", "carpenter"],
    ["I'm 34 years old.", "How old am I?", "34"],
    ["I was born on 3 May.", "When is my birthday?", "3 May"],
    ["I am allergic to peanuts.", "What am I allergic to?", "peanuts"],
    ["My sister Ana plays the cello.", "What does my sister play?", "cello"],
    ["I had porridge for breakfast.", "What did I have for breakfast?", "porridge"],
    ["Remember that the code word is heron.", "What is the code word?", "heron"],
    ["The meeting is on Thursday at nine.", "When is the meeting?", "Thursday"],
    ["I parked on level 7.", "Where did I park?", "level 7"],
    ["I hate thunderstorms.", "What did I say about thunderstorms?", "thunderstorms"],
    ["We adopted a parrot.", "Do you remember what I told you about a parrot?", "parrot"],
  ])("told %j and asked %j it answers with what was said", (told, question, expected) => {
    expect(ask([told, "The weather is nice.", "I see.", question])).toContain(expected);
    expect(ask([told, question])).toContain(expected);
  });

  test("what is said in the same message counts", () => {
    expect(ask("My boat is called Kittiwake. What is my boat called?")).toContain("Kittiwake");
  });

  test("what was corrected later wins", () => {
    const turns = ["My name is Bob.", "Sorry, my name is Robert.", "What is my name?"];
    expect(ask(turns)).toContain("Robert");
    const colours = [
      "My favourite colour is red.",
      "Now my favourite colour is green.",
      "What is my favourite colour?",
    ];
    expect(ask(colours)).toContain("green");
  });

  test("it knows the user's name from the prompt where nobody told it", () => {
    const system = CARD.replace("conversation with User", "conversation with Ines");
    expect(ask(["Hello!", "What is my name?"], system)).toContain("Ines");
  });

  test.each([
    ["What was the first thing I said?", "The tide is out."],
    ["What did I just say?", "I will fetch a rope."],
    ["What was my last question?", "Is it deep?"],
    ["What was my first question?", "Is it deep?"],
    ["What did you just say?", "Reply number 2."],
    ["How many messages have I sent?", "4 messages"],
  ])("asked %j it looks at the talk itself", (question, expected) => {
    expect(ask(["The tide is out.", "Is it deep?", "I will fetch a rope.", question])).toContain(expected);
  });

  test("asked what it knows of the user it lists what they told, and nothing else", () => {
    const reply = ask([
      "I play the oboe.",
      "Is it late?",
      "My aunt lives in Bergen.",
      "What do you know about me?",
    ]);
    expect(reply).toContain("I play the oboe.");
    expect(reply).toContain("My aunt lives in Bergen.");
    expect(reply).not.toContain("Is it late");
  });

  test.each([
    "What is my favourite film?",
    "What is my name?",
    "Where do I work?",
    "Did I mention a violin?",
  ])("asked %j with nothing told it says so instead of guessing", (question) => {
    expect(ask(["The weather is nice.", question])).toMatch(/not (?:told|there|in what)|You have not/);
  });

  test("what is remembered is only what this prompt holds", () => {
    expect(ask(["My name is Beatrice.", "What is my name?"])).toContain("Beatrice");
    expect(ask(["Hello.", "What is my name?"])).not.toContain("Beatrice");
  });
});

describe("it speaks as the character, out of the card", () => {
  test.each<[question: string, expected: RegExp]>([
    ["Who are you?", /I am Mara Quill\. I keep bees on the roof of a bakery in Lisbon\./],
    ["What is your name?", /Mara Quill/],
    ["Tell me about yourself.", /bees/],
    ["Do you have a bicycle?", /I own a blue bicycle/],
    ["How old are you?", /I am forty-four/],
    ["Where are you?", /harvest/],
    ["Where are we?", /harvest/],
    ["What are you like?", /wry, patient, curious/],
    ["Are you not afraid to be stung?", /We are colleagues/],
  ])("asked %j", (question, expected) => {
    expect(ask(["Hello.", question])).toMatch(expected);
  });

  test("another card gives another voice to the same words", () => {
    const other = CARD.replaceAll("Mara Quill", "Odo Brand")
      .replaceAll("bees", "owls")
      .replaceAll("She", "He");
    expect(ask("Who are you?", other)).toMatch(/I am Odo Brand\. I keep owls/);
  });

  test("a system prompt in any form, or none, is enough to answer", () => {
    expect(ask("Who are you?", "You are Ada, a ship's computer. You speak in short sentences.")).toContain(
      "I am Ada",
    );
    expect(ask("Who are you?", "Be brief.")).toContain("demo");
    expect(writeReply(readScene([{ role: "user", content: "What is 3*4?" }]))).toContain("12");
    expect(writeReply(readScene([]))).not.toBe("");
  });

  test("every verb of a list about the character is turned, and so is what is its own", () => {
    const scene = `Ida Vane invents the case along the way, keeps to its facts, pens the letters, gives clues that can be found, and lets User do the finding. User works with Ida Vane as her assistant. Ida rolls on six wheels of which one squeaks, and has two arms.`;
    const system = CARD.replaceAll("Mara Quill", "Ida Vane").replace(/User has climbed.*harvest\./, scene);
    const replies = Array.from({ length: 40 }, (_, i) =>
      ask(["Hello.", `I saw ship number ${i}.`], system),
    ).join("\n");
    expect(replies).toContain(
      "I invent the case along the way, keep to its facts, pen the letters, give clues that can be found, and let you do the finding.",
    );
    expect(replies).toContain("You work with me as my assistant.");
    expect(replies).toContain("I roll on six wheels of which one squeaks, and have two arms.");
  });

  test.each(["Juniper-9", "A.I. (mk 2)", "Zoë + Max", "[null]", "C\\D", "^a|b$ {2}", "*"])(
    "a character may be called %s",
    (name) => {
      expect(
        ask(
          "Who are you?",
          CARD.replaceAll("Mara Quill", () => name),
        ),
      ).toMatch(/I (?:keep bees|am forty-four)/);
    },
  );

  test("gestures of the character lead its speech", () => {
    expect(ask(["Hello.", "I walked here."])).toMatch(/^\*She holds up a swollen thumb\.\* "/);
  });
});

describe("it says plainly that it is a demo", () => {
  test.each(["Hello!", "I bought a lamp.", "What is 2+2?", "你好"])(
    "in the first reply, to %j",
    (message) => {
      expect(ask(message)).toMatch(/demo.*no language model/s);
    },
  );

  test.each([
    "Who are you?",
    "are you a real person?",
    "Are you an AI",
    "What model is this?",
    "what are you",
  ])("when asked %j", (question) => {
    expect(ask(["Hello.", "Nice.", question])).toContain("demo");
  });

  test("now and then later, and not in every reply", () => {
    const replies = Array.from({ length: 20 }, (_, n) =>
      ask(Array.from({ length: n + 2 }, (_unused, i) => `I saw ship number ${i}.`)),
    );
    const said = replies.filter((reply) => reply.includes("demo")).length;
    expect(said).toBeGreaterThanOrEqual(2);
    expect(said).toBeLessThanOrEqual(4);
  });
});

describe("it reacts to what is said", () => {
  test("sums are worked out amid other talk, several in one message too", () => {
    expect(ask("I love the sea. What is 12 * 7 + 3?")).toContain("87");
    const reply = ask(["My name is Ann.", "What is my name? And what is 6 times 7?"]);
    expect(reply).toContain("Ann");
    expect(reply).toContain("42");
    const both = ask("Hello! Who are you, and what is 12*7+3?");
    expect(both).toContain("I am Mara Quill");
    expect(both).toContain("87");
    expect(both).toContain("demo");
    expect(ask("What is 5 / 0?")).toMatch(/divides by zero/);
  });

  test("a statement is taken up, a question that rules cannot answer gets an honest no", () => {
    expect(ask(["Hello.", "I repaired the old harbour crane."])).toContain(
      "you repaired the old harbour crane",
    );
    expect(ask(["Hello.", "What is the capital of Mongolia?"])).toContain("Mongolia");
    expect(ask(["Hello.", "What is the capital of Mongolia?"])).not.toMatch(/Ulaanbaatar/i);
  });

  test("greetings, thanks and farewells are answered in kind, by name where it is known", () => {
    const known = "My name is Ines.";
    expect(ask([known, "Hello again!"])).toContain("Ines");
    expect(ask([known, "Thank you!"])).toContain("Ines");
    expect(ask([known, "Goodbye!"])).toContain("Ines");
  });

  test("different messages get different replies, the same prompt always the same", () => {
    const messages = Array.from(
      { length: 40 },
      (_, i) => `I found a ${["shell", "coin", "key", "map"][i % 4]} in box ${i}.`,
    );
    const replies = messages.map((message) => ask(["Hello.", message]));
    expect(new Set(replies).size).toBe(messages.length);
    expect(messages.map((message) => ask(["Hello.", message]))).toEqual(replies);
  });

  test("whatever is written, there is a reply, well-formed and not endless", () => {
    fc.assert(
      fc.property(
        fc.array(fc.string({ unit: "binary", maxLength: 60 }), { minLength: 1, maxLength: 4 }),
        (turns) => {
          const reply = ask(turns);
          expect(reply.trim()).not.toBe("");
          expect(reply.length).toBeLessThan(4_000);
        },
      ),
      { numRuns: 200 },
    );
  });
});

test("other replies to the same message differ, and each is the same again", () => {
  const scene = readScene([{ role: "user", content: "I planted beans this morning." }]);
  const replies = [0, 1, 2, 3, 4, 5].map((variation) => writeReply(scene, variation));
  expect(new Set(replies).size).toBeGreaterThan(1);
  expect(writeReply(scene, 3)).toBe(replies[3]);
});
