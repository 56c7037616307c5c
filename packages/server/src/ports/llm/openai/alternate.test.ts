import fc from "fast-check";
import { expect, test } from "vitest";
import type { PromptMessage } from "../llm.ts";
import { alternate } from "./alternate.ts";

const message = fc.record({
  role: fc.constantFrom("system" as const, "user" as const, "assistant" as const),
  content: fc.string({ minLength: 1 }),
});

test("after one system message user and assistant take turns, the user first, and nothing is lost", () => {
  fc.assert(
    fc.property(fc.array(message, { minLength: 1, maxLength: 20 }), (messages: PromptMessage[]) => {
      const out = alternate(messages);
      const turns = out.filter(({ role }) => role !== "system");
      expect(out.findLastIndex(({ role }) => role === "system")).toBeLessThanOrEqual(0);
      turns.forEach(({ role }, i) => void expect(role).toBe(i % 2 === 0 ? "user" : "assistant"));
      const text = out.map(({ content }) => content).join("\n\n");
      for (const { content } of messages) expect(text).toContain(content);
    }),
  );
});

test("a greeting gets an opening, and post-history instructions end the user's last message", () => {
  expect(
    alternate([
      { role: "system", content: "S" },
      { role: "assistant", content: "Hello." },
      { role: "user", content: "Hi." },
      { role: "user", content: "Anyone?" },
      { role: "system", content: "Stay brief." },
    ]),
  ).toEqual([
    { role: "system", content: "S" },
    { role: "user", content: "(The conversation begins.)" },
    { role: "assistant", content: "Hello." },
    { role: "user", content: "Hi.\n\nAnyone?\n\nStay brief." },
  ]);
});
