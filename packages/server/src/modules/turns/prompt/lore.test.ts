import fc from "fast-check";
import { expect, test } from "vitest";
import type { ContextMessage } from "../../../ports/message-store/message-store.ts";
import { assemblePrompt, type PromptInput, planPrompt } from "./assemble.ts";
import type { LoreBook } from "./lore.ts";

const estimateTokens = (text: string) => Math.ceil(text.length / 4);
const said = (content: string, seq: number): ContextMessage => ({
  seq,
  role: seq % 2 === 0 ? "assistant" : "user",
  content,
  tokenCount: estimateTokens(content),
});

type Book = Omit<LoreBook, "entries"> & {
  entries: (Partial<LoreBook["entries"][number]> & { content: string })[];
};

function promptOf(
  book: Book,
  history: readonly string[] = ["Tell me of the sea."],
  rest: Partial<PromptInput> = {},
) {
  const entries = book.entries.map((entry) => ({ keys: [], ...entry }));
  const plan = planPrompt({
    character: {
      name: "Mira",
      description: "Keeps bees.",
      personality: "",
      scenario: "A garden.",
      mes_example: "",
      system_prompt: "",
      post_history_instructions: "",
      character_book: { ...book, entries },
    },
    userName: "Tom",
    windowTokens: 4_000,
    replyTokensMax: 500,
    messageOverheadTokens: 4,
    estimateTokens,
    platformPrompt: "You are {{char}}.",
    ...rest,
  });
  return { plan, ...assemblePrompt(plan, history.map(said), true) };
}
const textOf = (...args: Parameters<typeof promptOf>) =>
  promptOf(...args)
    .messages.map(({ content }) => content)
    .join("\n");
const holds = (entry: Book["entries"][number], history: string[]) =>
  textOf({ entries: [{ insertion_order: 1, ...entry }] }, history).includes(entry.content);

test("before_char stands between how to act and who one is, after_char behind the scenario", () => {
  const entries = [
    { content: "After {{char}}.", constant: true, position: "after_char" },
    { content: "Before {{user}}.", constant: true, position: "before_char" },
  ];
  expect(promptOf({ entries }).messages[0]).toEqual({
    role: "system",
    content:
      "You are Mira.\n\nBackground:\nBefore Tom.\n\nDescription of Mira:\nKeeps bees.\n\nScenario:\nA garden.\n\nBackground:\nAfter Mira.",
  });
});

test("a keyed entry comes when a key was said, in any case unless it minds", () => {
  const entry = { keys: ["Hive", "honey"], content: "Eleven hives." };
  expect(holds(entry, ["the HIVES?"])).toBe(true);
  expect(holds(entry, ["the sea?"])).toBe(false);
  expect(holds({ ...entry, case_sensitive: true }, ["the hive?"])).toBe(false);
  expect(holds({ ...entry, case_sensitive: true }, ["the Hive?"])).toBe(true);
  expect(holds({ keys: ["", " ", "\u200b"], content: "Never." }, ["anything"])).toBe(false);
});

test("secondary keys count where the entry is selective, and then one of each must be said", () => {
  const entry = { keys: ["hive"], secondary_keys: ["winter", "snow"], content: "They sleep." };
  expect(holds({ ...entry, selective: true }, ["the hive"])).toBe(false);
  expect(holds({ ...entry, selective: true }, ["the hive in winter"])).toBe(true);
  expect(holds({ ...entry, selective: false }, ["the hive"])).toBe(true);
  expect(holds({ ...entry, selective: true, secondary_keys: [] }, ["the hive"])).toBe(true);
});

test("what is switched off never comes, nor do patterns, which nobody looks for", () => {
  expect(holds({ content: "Off.", constant: true, enabled: false }, ["x"])).toBe(false);
  expect(holds({ keys: ["hive"], use_regex: true, content: "Pattern." }, ["hive"])).toBe(false);
  expect(holds({ keys: ["(a+)+$"], content: "Literal." }, ["(a+)+$"])).toBe(true);
});

test("only the last messages are looked at, as many as the book says", () => {
  const book = (scan_depth?: unknown) => ({ scan_depth, entries: [{ keys: ["hive"], content: "Eleven." }] });
  const history = ["hive", "b", "c", "d", "e"];
  expect(textOf(book(), history)).not.toContain("Eleven.");
  expect(textOf(book(5), history)).toContain("Eleven.");
  expect(textOf(book(0), ["hive"])).not.toContain("Eleven.");
  expect(textOf(book("5"), ["hive", "b"])).toContain("Eleven.");
});

test("lower insertion orders come first, wherever they stand in the book", () => {
  const entries = [
    { content: "Third.", constant: true, insertion_order: 30 },
    { content: "First.", constant: true, insertion_order: -1 },
    { content: "Second.", constant: true, insertion_order: 2 },
  ];
  expect(textOf({ entries })).toContain("Background:\nFirst.\n\nSecond.\n\nThird.");
});

test("entries at a depth stand so many messages before the end, deeper ones first where there are fewer", () => {
  const at = (depth: number, content: string) => ({
    content,
    constant: true,
    extensions: { position: 4, depth },
  });
  const entries = [at(0, "Now."), at(1, "Near."), at(2, "Back."), at(90, "Oldest.")];
  expect(promptOf({ entries }, ["a", "b", "c"]).messages.slice(1)).toEqual([
    { role: "system", content: "Background:\nOldest." },
    { role: "assistant", content: "a" },
    { role: "system", content: "Background:\nBack." },
    { role: "user", content: "b" },
    { role: "system", content: "Background:\nNear." },
    { role: "assistant", content: "c" },
    { role: "system", content: "Background:\nNow." },
  ]);
});

test("beyond the book's budget the lower priority is dropped first, whatever stands in front", () => {
  const entry = (priority: number, n: number) => ({
    content: `${n}`.repeat(200),
    constant: true,
    priority,
    insertion_order: n,
  });
  const entries = [entry(1, 1), entry(9, 2), entry(5, 3)];
  const text = textOf({ token_budget: 120, entries });
  expect([text.includes("111"), text.includes("222"), text.includes("333")]).toEqual([false, true, true]);
});

test("an entry that no budget could hold keeps no other out", () => {
  const entries = [
    { content: "L".repeat(20_000), constant: true, priority: 9 },
    { content: "Small.", constant: true },
  ];
  const text = textOf({ entries });
  expect([text.includes("LLL"), text.includes("Small.")]).toEqual([false, true]);
});

test("lore yields to the newest message, however large, and old messages yield to lore", () => {
  const entries = [{ content: "L".repeat(2_000), constant: true }];
  const newest = "n".repeat(13_700);
  expect(textOf({ entries }, [newest])).toContain(newest);
  const history = Array.from({ length: 30 }, (_, i) => `${i} ${"h".repeat(400)}`);
  const { messages, historyUsed } = promptOf({ entries }, history);
  expect(messages[0]?.content).toContain("LLL");
  expect(historyUsed).toBeLessThan(promptOf({ entries: [] }, history).historyUsed);
});

test("decorators and what a reader cannot see do not reach the model", () => {
  const entries = [{ content: "@@depth 4\n@@@role user\nSeen.\u{e0041}\u202e", constant: true }];
  const { messages } = promptOf({ entries });
  expect(messages[0]?.content).toContain("Background:\nSeen.");
  expect(JSON.stringify(messages)).not.toMatch(/@@|\u202e|\u{e0041}/u);
});

test("a book with very many keys costs a bounded time: the text that is looked at gets shorter", () => {
  const keys = Array.from({ length: 100_000 }, (_, i) => `key ${i}`);
  const book = { entries: [{ keys, content: "Found." }] };
  expect(textOf(book, [`${"x".repeat(50_000)} key 77`], { windowTokens: 100_000 })).toContain("Found.");
  expect(textOf(book, [`key 77 ${"x".repeat(50_000)}`], { windowTokens: 100_000 })).not.toContain("Found.");
});

test("whatever stands in a book, the prompt keeps its window and its count, and the user's words stay the user's", () => {
  const anything = fc.jsonValue({ maxDepth: 2 });
  const entry = fc.record(
    {
      keys: fc.array(fc.constantFrom("a", "b", "", "c")),
      content: fc.string({ maxLength: 300 }),
      constant: anything,
      priority: fc.oneof(fc.integer(), anything),
      insertion_order: fc.oneof(fc.integer(), anything),
      secondary_keys: anything,
      selective: anything,
      position: fc.constantFrom("before_char", "after_char", 4, null),
      extensions: fc.oneof(
        anything,
        fc.record({ position: fc.constantFrom(0, 1, 4), depth: fc.oneof(fc.nat(9), anything) }),
      ),
    },
    { requiredKeys: ["keys", "content"] },
  );
  const book = fc.record({
    entries: fc.array(entry, { maxLength: 12 }),
    scan_depth: anything,
    token_budget: anything,
  });
  const history = fc.array(fc.string({ minLength: 1, maxLength: 200 }), { minLength: 1, maxLength: 12 });
  fc.assert(
    fc.property(book, history, fc.integer({ min: 150, max: 2_000 }), (lore, texts, windowTokens) => {
      let made: ReturnType<typeof promptOf>;
      try {
        made = promptOf(lore as Book, texts, { windowTokens, replyTokensMax: 50 });
      } catch (error) {
        expect(error).toMatchObject({ code: "message_exceeds_context" });
        return;
      }
      const counted = made.messages.reduce((sum, { content }) => sum + estimateTokens(content) + 4, 3);
      expect(counted).toBeLessThanOrEqual(made.promptTokens);
      expect(made.promptTokens).toBeLessThanOrEqual(made.plan.promptTokensMax);
      expect(made.messages.filter(({ role }) => role === "user").length).toBeLessThanOrEqual(texts.length);
    }),
  );
});
