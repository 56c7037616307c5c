import { expect } from "vitest";
import {
  chunk,
  DONE,
  type Fault,
  type Handler,
  open,
  refuse,
  stream,
  text,
  WHOLE,
} from "../../src/ports/llm/openai/faults/scene.fixture.ts";

/**
 * Faults of a provider that take their own time, or that pass: what the table over the whole server has
 * beside the rows of the port.
 */
export interface LastingFault extends Pick<Fault, "name" | "expect"> {
  handler: Handler;
  /** How often the provider is asked for this turn, where that is certain. */
  calls?: number;
  /** A call that repeats another must not come sooner than this after the answer to the one before. */
  waitMs?: number;
}

/** Far enough from each other that a busy machine does not mistake one for another. */
export const SHORT_TIMERS = {
  PARLEY_LLM_FIRST_TOKEN_TIMEOUT_MS: "10000",
  PARLEY_LLM_BETWEEN_TOKENS_TIMEOUT_MS: "10000",
  PARLEY_LLM_IDLE_TIMEOUT_MS: "16000",
  PARLEY_LLM_CALL_TIMEOUT_MS: "24000",
};

/** As for a model at home whose first word may take for ever. */
export const PATIENT_TIMERS = {
  PARLEY_LLM_FIRST_TOKEN_TIMEOUT_MS: "0",
  PARLEY_LLM_BETWEEN_TOKENS_TIMEOUT_MS: "10000",
  PARLEY_LLM_IDLE_TIMEOUT_MS: "8000",
  PARLEY_LLM_CALL_TIMEOUT_MS: "18000",
};

const whole = stream(WHOLE);

/** Whole seconds, which is all that a date in a header has. */
const inSeconds = (seconds: number) => new Date(Date.now() + seconds * 1_000).toUTCString();

/** The first `count` calls go as said, every later one well. */
const passing =
  (count: number, fault: Handler): Handler =>
  (response, scene, call) =>
    (call <= count ? fault : whole)(response, scene, call);

const rescued = (name: string, calls: number, handler: Handler, waitMs = 0): LastingFault => ({
  name,
  handler,
  calls,
  waitMs,
  expect: { kind: "completed" },
});

/** Faults that pass before anything was said: another attempt makes the whole reply. */
export const passingFaults: LastingFault[] = [
  rescued(
    "a reset before headers, once",
    2,
    passing(1, (response) => response.socket?.resetAndDestroy()),
  ),
  rescued("500 once", 2, passing(1, refuse(500))),
  rescued("503 twice", 3, passing(2, refuse(503))),
  rescued("429 once, Retry-After of 2 s", 2, passing(1, refuse(429, {}, { "retry-after": "2" })), 2_000),
  rescued(
    "429 once, Retry-After as a date",
    2,
    passing(1, (...scene) => refuse(429, {}, { "retry-after": inSeconds(3) })(...scene)),
    1_900,
  ),
  rescued("503 once, Retry-After of 1 s", 2, passing(1, refuse(503, {}, { "retry-after": "1" })), 1_000),
];

/** A wait that is too long for a turn is the person's, and told. */
export const unwaitedFaults: LastingFault[] = [
  {
    name: "429, Retry-After as a date far ahead",
    handler: (...scene) => refuse(429, {}, { "retry-after": inSeconds(1_000_000) })(...scene),
    calls: 1,
    expect: { kind: "failed", code: "provider_error", retryAfterS: 300, says: "" },
  },
];

/** Far beyond a limit of 10 s: what comes right behind it may count, where the event loop stood still. */
const TOO_LATE_MS = 60_000;

const later = (ms: number) => new Promise<void>((resolve) => void setTimeout(resolve, ms).unref());

const silent = (name: string, handler: Handler, says: unknown = ""): LastingFault => ({
  name,
  handler,
  calls: 1,
  expect: { kind: "failed", code: "provider_timeout", says },
});

/** Writes again and again until the other side has gone. */
const every =
  (ms: number, begin: string, next: () => string | Buffer): Handler =>
  (response) => {
    open(response, begin);
    const timer = setInterval(() => response.write(next()), ms);
    response.once("close", () => clearInterval(timer));
  };

function trickle(bytes: Buffer): () => Buffer {
  let at = 0;
  return () => bytes.subarray(at, ++at);
}

const FIRST = "Hello, ";

export const slowFaults: LastingFault[] = [
  silent("never answers", () => {}),
  silent("headers, then silence", (response) => open(response)),
  silent("the role, then silence", (response) => open(response, chunk({ role: "assistant", content: "" }))),
  silent(
    "comments only, for ever",
    every(200, "", () => ": keep-alive\n\n"),
  ),
  silent("the first token too late", async (response) => {
    open(response);
    await later(TOO_LATE_MS);
    if (!response.destroyed) response.end(WHOLE);
  }),
  {
    name: "tokens at distances that are each within the limit",
    handler: async (response) => {
      open(response);
      for (const letter of "Hello, wörld 😀!") {
        response.write(text(letter));
        await later(800);
      }
      response.end(chunk({}, "stop") + DONE);
    },
    calls: 1,
    expect: { kind: "completed" },
  },
  silent(
    "one token, the next too late",
    async (response) => {
      open(response, text(FIRST));
      await later(TOO_LATE_MS);
      if (!response.destroyed) response.end(text("wörld 😀!") + chunk({}, "stop") + DONE);
    },
    FIRST,
  ),
  silent("a stall after the first token", (response) => open(response, text(FIRST)), FIRST),
  silent(
    "a stall, comments going on",
    every(200, text(FIRST), () => ": keep-alive\n\n"),
    FIRST,
  ),
  silent(
    "a stall between the finish reason and the marker",
    (response) => open(response, text(FIRST) + chunk({}, "stop")),
    FIRST,
  ),
  silent(
    "a trickle of bytes",
    every(200, text(FIRST), trickle(Buffer.from(text("a word that never gets whole in time".repeat(9))))),
    FIRST,
  ),
  silent(
    "a reply longer than a whole call may take",
    every(500, "", () => text("a")),
    expect.stringMatching(/^a+$/),
  ),
];

export const patientFaults: LastingFault[] = [
  silent("silence after a comment, where a first word may take for ever", (response) =>
    open(response, ": processing the prompt\n\n"),
  ),
  silent(
    "comments only, where a first word may take for ever",
    every(200, "", () => ": still here\n\n"),
  ),
];
