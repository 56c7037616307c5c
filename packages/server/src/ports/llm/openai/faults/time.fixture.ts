import type { ServerResponse } from "node:http";
import { expect } from "vitest";
import { chunk, DONE, type Fault, open, type Scene, text } from "./scene.fixture.ts";

const timedOut = (timer: RegExp, says = "") => ({
  kind: "failed" as const,
  code: "provider_timeout",
  says,
  detail: expect.stringMatching(timer),
});

/** Moves the time once the provider has the request and its answer has begun to come. */
const later = (ms: number) => async (scene: Scene) => {
  await scene.whenAsked;
  await scene.clock.advance(0);
  await scene.clock.advance(ms);
};

/** One word after another, each after so much time, and then the end. */
const paced =
  (words: readonly string[], everyMs: number) => async (response: ServerResponse, scene: Scene) => {
    open(response);
    for (const [i, word] of words.entries()) {
      await scene.clock.advance(i === 0 ? 0 : everyMs);
      if (response.destroyed) return;
      response.write(text(word));
      await scene.whenText(i + 1);
    }
    response.end(chunk({}, "stop") + DONE);
  };

const words = ["Hello, ", "wörld ", "😀!"];
const FIRST = words[0] ?? "";

/** Comments for ever, with time passing between them. */
const comments = async (response: ServerResponse, scene: Scene) => {
  open(response);
  while (!response.destroyed) {
    response.write(": keep-alive\n\n");
    await scene.clock.advance(1_000);
  }
};

export const timeFaults: Fault[] = [
  {
    name: "never answers, hosted",
    call: { handler: () => {}, drive: later(10_000) },
    expect: timedOut(/no first word within 10 s/),
  },
  {
    name: "never answers, at home",
    call: { handler: () => {}, drive: later(120_000), timers: { firstTokenMs: 120_000 } },
    expect: timedOut(/no first word within 120 s/),
  },
  {
    name: "headers, then silence",
    call: { handler: (response) => open(response), drive: later(10_000) },
    expect: timedOut(/within 10 s/),
  },
  {
    name: "the role, then silence",
    call: {
      handler: (response) => open(response, chunk({ role: "assistant", content: "" })),
      drive: later(10_000),
    },
    expect: timedOut(/within 10 s/),
  },
  {
    name: "comments only, for ever",
    call: { handler: comments },
    expect: timedOut(/no first word within 10 s/),
  },
  {
    name: "comments only, where a first word may take for ever",
    call: { handler: comments, timers: { firstTokenMs: 0 } },
    expect: timedOut(/within 600 s/),
  },
  {
    name: "silence after a comment, where a first word may take for ever",
    call: {
      handler: async (response, { clock }) => {
        open(response, ": processing the prompt\n\n");
        while (!response.destroyed) await clock.advance(1_000);
      },
      timers: { firstTokenMs: 0 },
    },
    expect: timedOut(/sent nothing for 60 s/),
  },
  {
    name: "the first token at 20 s, hosted",
    call: { handler: paced(["", ...words], 20_000), drive: later(20_000) },
    expect: timedOut(/within 10 s/),
  },
  {
    name: "the first token at 20 s, at home",
    call: {
      timers: { firstTokenMs: 120_000 },
      handler: async (response, scene) => {
        await scene.clock.advance(20_000);
        await paced(words, 0)(response, scene);
      },
    },
    expect: { kind: "completed" },
  },
  { name: "one token per 14 s", call: { handler: paced(words, 14_000) }, expect: { kind: "completed" } },
  {
    name: "one token per 16 s",
    call: { handler: paced(words, 16_000) },
    expect: timedOut(/silent for 15 s/, FIRST),
  },
  {
    name: "a stall after the first token, comments going on",
    call: {
      handler: async (response, scene) => {
        open(response, text(FIRST));
        await scene.whenText();
        for (let s = 0; s < 20 && !response.destroyed; s++) {
          response.write(": keep-alive\n\n");
          await scene.clock.advance(1_000);
        }
      },
    },
    expect: timedOut(/silent for 15 s/, FIRST),
  },
  {
    name: "a stall between the finish reason and the marker",
    call: {
      handler: async (response, { whenText, clock }) => {
        open(response, text(FIRST) + chunk({}, "stop"));
        await whenText();
        await clock.advance(15_000);
      },
    },
    expect: timedOut(/silent for 15 s/, FIRST),
  },
  {
    name: "a trickle of one byte a second",
    call: {
      handler: async (response, scene) => {
        open(response, text(FIRST));
        await scene.whenText();
        for (const byte of Buffer.from(text("a word that never gets whole in time"))) {
          if (response.destroyed) return;
          response.write(Buffer.from([byte]));
          await scene.clock.advance(1_000);
        }
      },
    },
    expect: timedOut(/silent for 15 s/, FIRST),
  },
  {
    name: "a reply longer than a whole call may take",
    call: {
      handler: paced(
        Array.from({ length: 100 }, () => "a"),
        10_000,
      ),
    },
    expect: { kind: "failed", code: "provider_timeout", says: "a".repeat(60), retryable: false },
  },
  {
    name: "a stream that never ends",
    call: { handler: endless((i) => `word${i} `), replyCharactersMax: 50_000 },
    expect: { kind: "completed", finishReason: "length", says: expect.stringMatching(/^.{50000,}$/) },
  },
  {
    name: "an infinite repetition",
    call: { handler: endless(() => "again "), replyCharactersMax: 50_000 },
    expect: { kind: "completed", finishReason: "length", says: expect.stringMatching(/^(again ){8334,}$/) },
  },
  {
    name: "reasoning that never ends",
    call: {
      handler: endless(() => "hm ", "reasoning_content"),
      replyCharactersMax: 50_000,
    },
    expect: { kind: "failed", code: "empty_reply", says: "" },
  },
  {
    name: "flapping, while it is down",
    call: { handler: (response) => response.destroy() },
    expect: { kind: "failed", code: "provider_unavailable", retryable: true },
  },
];

function endless(word: (i: number) => string, field = "content") {
  return (response: ServerResponse) => {
    open(response);
    let i = 0;
    const more = () => {
      while (!response.destroyed && response.write(chunk({ [field]: word(i++) }))) {}
    };
    response.on("drain", more);
    more();
  };
}
