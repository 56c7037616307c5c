import { expect, test } from "vitest";
import { manualClock } from "../../kit/clock.ts";
import { estimateTokens } from "../../kit/tokens.ts";
import { createDemoLlm } from "./demo.ts";
import type { LlmRequest } from "./llm.ts";

const request = (content: string, more: Partial<LlmRequest> = {}): LlmRequest => ({
  model: "demo",
  messages: [
    { role: "system", content: "You are Ada, a ship's computer." },
    { role: "user", content },
  ],
  replyTokensMax: 1_000,
  settings: {},
  ...more,
});

async function say(asked: LlmRequest) {
  const clock = manualClock();
  const pieces: string[] = [];
  const ended = createDemoLlm({ clock }).generate(
    asked,
    (piece) => pieces.push(piece),
    new AbortController().signal,
  );
  await clock.advance(60_000);
  return { pieces, text: pieces.join(""), end: await ended };
}

test("a reply comes in small pieces over time and ends as stop", async () => {
  const clock = manualClock();
  const pieces: string[] = [];
  const asked = request("Hello there!");
  const ended = createDemoLlm({ clock }).generate(
    asked,
    (piece) => pieces.push(piece),
    new AbortController().signal,
  );
  expect(pieces).toEqual([]);
  await clock.advance(20);
  expect(pieces).toHaveLength(1);
  await clock.advance(200);
  expect(pieces.length).toBeGreaterThan(5);
  await clock.advance(60_000);
  expect(await ended).toEqual({ kind: "completed", finishReason: "stop", usage: null });
});

test("the limit of tokens is kept, and such a reply ends as length", async () => {
  const whole = await say(request("Who are you?"));
  const cut = await say(request("Who are you?", { replyTokensMax: 12 }));
  expect(cut.end).toMatchObject({ finishReason: "length" });
  expect(estimateTokens(cut.text)).toBeLessThanOrEqual(12);
  expect(whole.text.startsWith(cut.text)).toBe(true);
});

test("a stop text ends the reply before it", async () => {
  const whole = await say(request("Who are you?"));
  const cut = await say(request("Who are you?", { settings: { stop: ["nowhere in it", "demo"] } }));
  expect(cut.text).toBe(whole.text.slice(0, whole.text.indexOf("demo")));
  expect(cut.end).toMatchObject({ finishReason: "stop" });
});

test("an abort ends it at once; no more text comes", async () => {
  const clock = manualClock();
  const pieces: string[] = [];
  const stop = new AbortController();
  const ended = createDemoLlm({ clock }).generate(
    request("Hello!"),
    (piece) => pieces.push(piece),
    stop.signal,
  );
  await clock.advance(100);
  stop.abort();
  const soFar = pieces.length;
  expect(await ended).toEqual({ kind: "aborted" });
  await clock.advance(60_000);
  expect(pieces).toHaveLength(soFar);
  const none = await createDemoLlm({ clock }).generate(
    request("Hello!"),
    (piece) => pieces.push(piece),
    AbortSignal.abort(),
  );
  expect(none).toEqual({ kind: "aborted" });
});

test("every piece is well-formed, in whatever script, and nothing is lost between them", async () => {
  for (const content of [
    "👩‍👩‍👧‍👦😀😀😀😀😀😀 I saw 𝒳𝒴𝒵",
    "我叫小明，我住在北京。",
    "a\ud83d b\0c",
    `x${"😀".repeat(300)}`,
  ]) {
    const { pieces, text } = await say(request(content));
    expect(text.length).toBeGreaterThan(0);
    for (const piece of pieces) {
      expect(piece.isWellFormed()).toBe(true);
      expect(piece).not.toContain("\0");
    }
  }
});

test("it offers one model, with a window", async () => {
  expect(await createDemoLlm({ clock: manualClock() }).models(300)).toEqual([
    { id: "demo", contextTokens: 32_000 },
  ]);
});
