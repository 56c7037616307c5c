import { chunk, DONE, type Fault, SAID, stream, text, usage } from "./scene.fixture.ts";

/** A whole reply with these reports of usage before its marker. */
const reported = (name: string, reports: unknown[], expected: object | null): Fault => ({
  name: `usage ${name}`,
  call: { handler: stream(text(SAID) + chunk({}, "stop") + reports.map(usage).join("") + DONE) },
  expect: { kind: "completed", finishReason: "stop", usage: expected },
});

const counts = (prompt_tokens: unknown, completion_tokens: unknown) => ({
  prompt_tokens,
  completion_tokens,
  total_tokens: 12,
});

export const usageFaults: Fault[] = [
  reported("as it should be", [counts(10, 2)], { promptTokens: 10, completionTokens: 2 }),
  reported("missing", [], null),
  reported("null", [null], null),
  reported("of zeros", [counts(0, 0)], null),
  reported("negative", [counts(-10, 2)], null),
  reported("as text", [counts("10", "2")], null),
  reported("of 2^53", [counts(2 ** 53, 2)], null),
  reported("in fractions", [counts(10.5, 2)], null),
  reported("that is no object", ["many"], null),
  reported("twice", [counts(10, 1), counts(10, 2)], { promptTokens: 10, completionTokens: 2 }),
  reported("good, then bad", [counts(10, 2), counts(-1, 2)], { promptTokens: 10, completionTokens: 2 }),
  reported("larger than the output", [counts(10, 4_000)], { promptTokens: 10, completionTokens: 4_000 }),
  {
    name: "a model's name that differs from the one asked for",
    call: { handler: stream(text(SAID).replace('"m"', '"another"') + chunk({}, "stop") + DONE) },
    expect: { kind: "completed", usage: null },
  },
  {
    name: "a failure after usage keeps it",
    call: { handler: stream(text("Hello, ") + usage(counts(10, 2))) },
    expect: {
      kind: "failed",
      code: "provider_truncated",
      usage: { promptTokens: 10, completionTokens: 2 },
      says: "Hello, ",
    },
  },
];
