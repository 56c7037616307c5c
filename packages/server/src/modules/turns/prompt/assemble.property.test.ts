import { Problem } from "@parley-chat/sdk/contract/problem";
import fc from "fast-check";
import { expect, test } from "vitest";
import type { ContextMessage } from "../../../ports/message-store/message-store.ts";
import { assemblePrompt, PROMPT_OVERHEAD_TOKENS, planPrompt } from "./assemble.ts";

// fast-check prints seed and path of what it finds; give them to `fc.assert` to repeat it.

const word = fc.constantFrom(
  "{{char}}",
  "{{user}}",
  "<BOT>",
  "{{original}}",
  "<START>",
  "\n",
  "hello",
  "蜂蜜",
  "😀",
  "\u202e",
  ".",
);
const text = fc.array(word, { maxLength: 40 }).map((words) => words.join(" "));
const character = fc.record({
  name: fc.string({ minLength: 1, maxLength: 20 }),
  description: text,
  personality: text,
  scenario: text,
  mes_example: fc
    .array(text, { maxLength: 6 })
    .map((blocks) => blocks.map((b) => `<START>\n${b}`).join("\n")),
  system_prompt: text,
  post_history_instructions: text,
});
const history = fc
  .array(fc.record({ role: fc.constantFrom("user", "assistant", "system"), content: text }), {
    minLength: 1,
    maxLength: 30,
  })
  .map((messages) => [...messages.slice(0, -1), { role: "user", content: messages.at(-1)?.content ?? "" }]);
/** Estimators that count parts higher than the whole, and the other way round. */
const estimator = fc.constantFrom(
  (s: string) => Math.ceil(s.length / 4),
  (s: string) => s.length + 3,
  (s: string) => Math.ceil(s.length ** 1.2 / 4),
  (s: string) => s.split(/\s+/).length,
);
const world = fc.record({
  character,
  history,
  estimateTokens: estimator,
  userName: fc.string({ maxLength: 20 }),
  windowTokens: fc.oneof(fc.nat(400), fc.nat(6_000)),
  replyTokensMax: fc.integer({ min: 1, max: 2_000 }),
  messageOverheadTokens: fc.nat(8),
  isWhole: fc.boolean(),
});

test("for any card, history and window: budget, newest message, order, roles, and examples before history", () => {
  fc.assert(
    fc.property(world, (w) => {
      const plan = planPrompt({ ...w, platformPrompt: "You are {{char}}." });
      const messages = w.history.map(
        (message, i): ContextMessage => ({
          seq: i + 1,
          role: message.role as ContextMessage["role"],
          content: message.content,
          tokenCount: w.estimateTokens(message.content),
        }),
      );
      const newest = messages.at(-1) as ContextMessage;
      if (!plan.fits(newest.tokenCount)) {
        expect(() => assemblePrompt(plan, messages, w.isWhole)).toThrow(Problem);
        return;
      }
      const prompt = assemblePrompt(plan, messages, w.isWhole);

      const recount = prompt.messages.reduce(
        (sum, { content }) => sum + w.estimateTokens(content) + w.messageOverheadTokens,
        PROMPT_OVERHEAD_TOKENS,
      );
      expect(prompt.promptTokens).toBeLessThanOrEqual(plan.promptTokensMax);
      expect(prompt.promptTokens + plan.replyTokensMax).toBeLessThanOrEqual(Math.max(1, w.windowTokens));
      // Stored counts are of the text with its hidden characters, which never has fewer tokens.
      expect(recount).toBeLessThanOrEqual(prompt.promptTokens);

      const visible = (content: string) => content.replaceAll("\u202e", "");
      const isSystem = prompt.messages.map(({ role }) => role === "system");
      const spoken = prompt.messages.filter(({ role }) => role !== "system");
      expect(spoken.at(-1)).toEqual({ role: "user", content: visible(newest.content) });
      expect(spoken).toHaveLength(prompt.historyUsed);
      expect(isSystem.slice(1, -1)).not.toContain(true);

      const expected = messages
        .filter(({ content }, i) => visible(content) !== "" || i === messages.length - 1)
        .map(({ role, content }) => ({
          role: role === "assistant" ? "assistant" : "user",
          content: visible(content),
        }));
      expect(spoken).toEqual(expected.slice(expected.length - spoken.length));

      const isHistoryCut = !w.isWhole || spoken.length < expected.length;
      if (isHistoryCut) expect(prompt.examplesUsed).toBe(0);
      expect((prompt.messages[0]?.content.match(/^Example of how /gm) ?? []).length).toBe(
        prompt.messages[0]?.role === "system" ? prompt.examplesUsed : 0,
      );
    }),
    { numRuns: 500 },
  );
});

test("the longest run of history that fits is taken: one older message would break the budget", () => {
  fc.assert(
    fc.property(
      fc.array(fc.nat(200), { minLength: 2, maxLength: 60 }),
      fc.integer({ min: 300, max: 4_000 }),
      (counts, windowTokens) => {
        const blank = {
          description: "",
          personality: "",
          scenario: "",
          mes_example: "",
          system_prompt: "",
          post_history_instructions: "",
        };
        const plan = planPrompt({
          character: { name: "Mira", ...blank },
          userName: "",
          windowTokens,
          replyTokensMax: 10,
          messageOverheadTokens: 4,
          estimateTokens: (s) => s.length,
          platformPrompt: "p",
        });
        const messages = counts.map(
          (tokenCount, i): ContextMessage => ({ seq: i + 1, role: "user", content: "x", tokenCount }),
        );
        const { historyUsed, promptTokens } = assemblePrompt(plan, messages, true);
        const nextOlder = counts[counts.length - historyUsed - 1];
        if (nextOlder !== undefined)
          expect(promptTokens + nextOlder + 4).toBeGreaterThan(plan.promptTokensMax);
      },
    ),
  );
});
