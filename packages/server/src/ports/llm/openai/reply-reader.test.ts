import fc from "fast-check";
import { expect, test } from "vitest";
import { createReplyReader, type Verdict } from "./reply-reader.ts";

type Reading = { text: string; pieces: string[]; verdict: Verdict | null; atEnd: Verdict };

function read(chunks: Iterable<Buffer>, options: { max?: number; marker?: "done" | "finish" } = {}): Reading {
  const pieces: string[] = [];
  const reader = createReplyReader({
    onText: (text) => pieces.push(text),
    replyCharactersMax: options.max ?? 10_000,
    marker: options.marker ?? "done",
  });
  let verdict: Verdict | null = null;
  for (const chunk of chunks) verdict = reader.push(chunk);
  return { text: pieces.join(""), pieces, verdict, atEnd: verdict ?? reader.end() };
}

const event = (value: unknown) => `data: ${JSON.stringify(value)}\n\n`;
const delta = (fields: unknown, finish_reason: string | null = null) =>
  event({ id: "x", choices: [{ index: 0, delta: fields, finish_reason }] });
const whole = (texts: string[], finish = "stop") =>
  [...texts.map((content) => delta({ content })), delta({}, finish), "data: [DONE]\n\n"].join("");

const cutAt = (bytes: Buffer, cuts: number[]) => {
  const places = [...new Set([0, ...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length])];
  places.sort((a, b) => a - b);
  return places.slice(1).map((end, i) => bytes.subarray(places[i], end));
};

const texts = fc.array(fc.string({ unit: "binary", minLength: 1, maxLength: 8 }), {
  minLength: 1,
  maxLength: 8,
});

test("any cut of the bytes into chunks gives the same text and the same end", () => {
  fc.assert(
    fc.property(texts, fc.array(fc.nat(4_000), { maxLength: 10 }), fc.boolean(), (said, cuts, isCrLf) => {
      const stream = whole(["x", ...said]).replaceAll("\n", isCrLf ? "\r\n" : "\n");
      const bytes = Buffer.from(stream);
      const { text, pieces, verdict } = read(cutAt(bytes, cuts));
      expect(text).toBe(`x${said.join("")}`.replaceAll("\0", "\ufffd"));
      expect(pieces.every((piece) => piece.isWellFormed() && piece !== "")).toBe(true);
      expect(verdict).toMatchObject({ kind: "completed", finishReason: "stop" });
    }),
    { numRuns: 300 },
  );
});

test("halves of pairs that a server sends in two pieces are joined, and never split for the reader", () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 0xffff }), { minLength: 1, maxLength: 12 }), (units) => {
      const said = units.map((unit) => String.fromCharCode(unit));
      const { text, pieces } = read([Buffer.from(whole(["x", ...said]))]);
      const byPiece = read(
        said.map((content) => Buffer.from(delta({ content }))).concat(Buffer.from(whole(["x"]))),
      );
      expect(text).toBe(`x${said.join("")}`.toWellFormed().replaceAll("\0", "\ufffd"));
      for (const each of [...pieces, ...byPiece.pieces]) expect(each.isWellFormed()).toBe(true);
      expect(byPiece.text).toBe(`${said.join("")}x`.toWellFormed().replaceAll("\0", "\ufffd"));
    }),
    { numRuns: 300 },
  );
});

test("a cut anywhere before the end is never complete, and shows a part of the text", () => {
  const said = ["Hello ", "wörld ", "😀!"];
  const bytes = Buffer.from(whole(said));
  for (let cut = 0; cut < bytes.length; cut++) {
    const { text, atEnd } = read([bytes.subarray(0, cut)]);
    expect(atEnd.kind).not.toBe("completed");
    expect(said.join("").startsWith(text)).toBe(true);
  }
});

test("events that differ in more than their text are read for what they are", () => {
  const like = (content: string, more = "") =>
    `data: {"choices":[{"index":0,"delta":{"content":${content}}}]${more}}\n\n`;
  const stream = [
    like('"one "'),
    like('"two "'),
    like('"thr\\u0065e "'),
    like('"with \\"quotes\\" "'),
    like('""'),
    like('"a","refusal":"no ","x":"b"'),
    like('"four ","role":"system"'),
    like('"five "', ',"usage":{"prompt_tokens":3,"completion_tokens":4}'),
    like('"six "'),
    like('"}}]} "'),
    like('"seven "'),
  ].join("");
  const { text, atEnd } = read([Buffer.from(stream + whole(["!"]))]);
  expect(text).toBe('one two three with "quotes" ano five six }}]} seven !');
  expect(atEnd).toMatchObject({ kind: "completed", finishReason: "content_filter" });
});

test("a raw control character in an event like the last is a broken stream, as in any", () => {
  const bad = delta({ content: "ok" }).replace("ok", "a\tb");
  expect(read([Buffer.from(delta({ content: "ok" }) + bad + whole([]))]).verdict?.kind).toBe("malformed");
});

test("deltas that arrive in one chunk are handed on as one piece", () => {
  expect(read([Buffer.from(whole(["a", "b", "c"]))]).pieces).toEqual(["abc"]);
});

test("only a server known to leave out [DONE] ends by its finish reason", () => {
  const stream = [Buffer.from(delta({ content: "a" })), Buffer.from(delta({}, "length"))];
  expect(read(stream).atEnd.kind).toBe("truncated");
  expect(read(stream, { marker: "finish" }).atEnd).toMatchObject({
    kind: "completed",
    finishReason: "length",
  });
  expect(read(stream.slice(0, 1), { marker: "finish" }).atEnd.kind).toBe("truncated");
});

test.each([
  ["stop", "stop"],
  ["length", "length"],
  ["max_tokens", "length"],
  ["content_filter", "content_filter"],
  ["SAFETY", "content_filter"],
  ["eos", "stop"],
  ["something new", "stop"],
  ["tool_calls", "stop"],
])("the finish reason %s of a reply with text is %s", (given, expected) => {
  expect(read([Buffer.from(whole(["a"], given))]).verdict).toMatchObject({
    kind: "completed",
    finishReason: expected,
  });
});

test.each(["error", "abort", "insufficient_system_resource"])(
  "a provider that says it broke off (%s) is never complete",
  (reason) => {
    expect(read([Buffer.from(whole(["a"], reason))]).verdict).toEqual({ kind: "truncated" });
  },
);

test("beyond the cap a stream ends as length, with reasoning counted", () => {
  const many = Array.from({ length: 20 }, () => Buffer.from(delta({ content: "0123456789" })));
  const { verdict, text } = read(many, { max: 100 });
  expect(verdict).toEqual({ kind: "completed", finishReason: "length", isCapped: true });
  expect(text.length).toBe(110);
  const thoughts = Array.from({ length: 20 }, () => Buffer.from(delta({ reasoning_content: "0123456789" })));
  expect(read(thoughts, { max: 100 }).verdict).toEqual({ kind: "empty", reason: "hidden" });
});

test("a refusal is shown as what the model said, and ends as content_filter", () => {
  const stream = delta({ refusal: "I cannot " }) + delta({ refusal: "do that." }) + whole([]);
  expect(read([Buffer.from(stream)])).toMatchObject({
    text: "I cannot do that.",
    verdict: { kind: "completed", finishReason: "content_filter" },
  });
});

test.each([
  ["another choice", event({ choices: [{ index: 1, delta: { content: "no" }, finish_reason: "length" }] })],
  ["another role", delta({ role: "system", content: "no" })],
  ["an event without choices", event({ ping: 1 })],
  ["an empty event", "data:\n\n"],
  ["a choice that is none", event({ choices: [null, 5, "x"] })],
  ["content that is no text", delta({ content: { no: "text" } })],
])("%s adds nothing and ends nothing", (_name, extra) => {
  const stream = `${extra}${delta({ content: "a" })}${extra}${whole(["b"])}`;
  expect(read([Buffer.from(stream)])).toMatchObject({ text: "ab", verdict: { finishReason: "stop" } });
});

test.each([
  ["no JSON", "data: {oops\n\n"],
  ["no object", "data: [1]\n\n"],
  ["choices that are no list", event({ choices: { index: 0 } })],
  ["an event over the limit", `data: ${"x".repeat(1_100_000)}\n\n`],
])("%s is a broken stream, whatever marker follows", (_name, broken) => {
  const { verdict, text } = read([Buffer.from(delta({ content: "a" }) + broken + whole(["b"]))]);
  expect(verdict?.kind).toBe("malformed");
  expect(text).toBe("a");
});
