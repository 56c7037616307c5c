import { gzipSync } from "node:zlib";
import { expect } from "vitest";
import { answer, type Fault, type Handler, open, refuse, WHOLE } from "./scene.fixture.ts";

/** The clock of a scene starts at 2026-01-01T00:00:00Z. */
const at = (seconds: number) => new Date(Date.UTC(2026, 0, 1) + 1_000 * seconds).toUTCString();

const failed = (retryable: boolean, more: object = {}) => ({
  kind: "failed" as const,
  code: "provider_error",
  retryable,
  says: "",
  ...more,
});

const refused = (name: string, handler: Handler, retryable: boolean, more: object = {}): Fault => ({
  name,
  call: { handler },
  expect: failed(retryable, more),
});

const limited = (name: string, header: string | undefined, retryAfterS: number | undefined): Fault =>
  refused(`429, ${name}`, refuse(429, {}, header === undefined ? {} : { "retry-after": header }), true, {
    retryAfterS,
  });

export const statusFaults: Fault[] = [
  limited("Retry-After in seconds", "7", 7),
  limited("Retry-After in parts of seconds", "1.5", 2),
  limited("Retry-After as a date", at(30), 30),
  limited("Retry-After in the past", at(-30), 0),
  limited("Retry-After of 10^9", "1000000000", 300),
  limited("Retry-After far ahead", at(1e6), 300),
  limited("Retry-After negative", "-5", undefined),
  limited("Retry-After that is junk", "soon", undefined),
  limited("Retry-After absent", undefined, undefined),
  refused("429 for want of credit", refuse(429, { code: "insufficient_quota" }), false, {
    detail: expect.stringContaining("credit"),
  }),
  refused("500", refuse(500), true),
  refused("503 with Retry-After", refuse(503, {}, { "retry-after": "2" }), true, { retryAfterS: 2 }),
  refused("504", refuse(504), true),
  refused("529", refuse(529), true, { detail: expect.stringContaining("overloaded") }),
  refused("401", refuse(401), false, { detail: expect.stringContaining("OPENAI_API_KEY") }),
  refused("403", refuse(403), false),
  refused("404, no such model", refuse(404, { code: "model_not_found" }), false, {
    detail: expect.stringContaining('"m"'),
  }),
  refused("402", refuse(402), false),
  refused("408", refuse(408), true),
  refused("413", refuse(413), false, { detail: expect.stringContaining("window") }),
  refused("422", refuse(422), false),
  refused("400, context length", refuse(400, { code: "context_length_exceeded" }), false, {
    detail: expect.stringContaining("PARLEY_CONTEXT_TOKENS_MAX"),
  }),
  refused("400, content filter", refuse(400, { code: "content_filter" }), false, {
    detail: expect.stringContaining("content filter"),
  }),
  refused("400, unknown", refuse(400), false),
  refused(
    "302 to a metadata address",
    (response) => {
      response.writeHead(302, { location: "http://169.254.169.254/latest/meta-data/" });
      response.end();
    },
    false,
    { detail: expect.stringContaining("does not follow") },
  ),
  refused("200 with HTML", answer("text/html", "<html>Welcome</html>"), false),
  refused(
    "200 with a JSON error",
    answer("application/json", JSON.stringify({ error: { message: "overloaded", code: 529 } })),
    true,
  ),
  refused(
    "200 with JSON of another kind",
    answer("application/json", JSON.stringify({ choices: [{ message: { content: "Hello" } }] })),
    false,
  ),
  refused(
    "200 with JSON that says there is no error",
    answer("application/json", JSON.stringify({ error: false, choices: [] })),
    false,
  ),
  refused("200 with an empty body", answer("text/event-stream", ""), false),
  refused("200 with no type and no body", (response) => response.end(), false),
  refused("200 with a whole stream of another type", answer("text/plain", WHOLE), false),
  refused(
    "a gzip bomb",
    (response) => {
      const bomb = gzipSync(Buffer.alloc(4_000_000, "data: x\n\n"));
      response.writeHead(200, { "content-type": "text/event-stream", "content-encoding": "gzip" });
      response.end(bomb);
    },
    false,
  ),
  {
    name: "a header of 1 MiB",
    call: { raw: (socket) => socket.write(`HTTP/1.1 200 OK\r\nx-large: ${"x".repeat(1_048_576)}\r\n\r\n`) },
    expect: failed(false),
  },
  refused(
    "an error body without end",
    (response) => {
      response.writeHead(500);
      const more = () => response.write("x".repeat(10_000)) && setImmediate(more);
      response.on("drain", more);
      more();
    },
    true,
  ),
  {
    name: "an error body that stalls",
    call: {
      handler: (response, { clock }) => {
        response.writeHead(503);
        response.write("{");
        const untilHeard = setInterval(() => void clock.advance(3_000), 5);
        response.once("close", () => clearInterval(untilHeard));
      },
    },
    expect: failed(true),
  },
  refused(
    "an error body that breaks off",
    (response) => {
      response.writeHead(400, { "content-length": "1000" });
      response.write('{"error":');
      setImmediate(() => response.destroy());
    },
    false,
  ),
  refused(
    "half of the replicas bad, the bad one",
    (response, _scene, call) =>
      call % 2 === 1 ? refuse(503)(response, _scene, call) : open(response, WHOLE),
    true,
  ),
];
