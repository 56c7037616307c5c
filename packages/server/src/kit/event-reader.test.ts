import fc from "fast-check";
import { expect, test } from "vitest";
import { createEventReader, EventTooLarge } from "./event-reader.ts";

interface Event {
  data: string;
  type: string;
}

function read(chunks: Iterable<Buffer>, eventBytesMax?: number): Event[] {
  const events: Event[] = [];
  const reader = createEventReader({
    onEvent: (data, type) => events.push({ data, type }),
    ...(eventBytesMax !== undefined && { eventBytesMax }),
  });
  for (const chunk of chunks) reader.push(chunk);
  return events;
}

const whole = (text: string) => [Buffer.from(text)];
const byByte = (text: string) => [...Buffer.from(text)].map((byte) => Buffer.from([byte]));
const datas = (chunks: Iterable<Buffer>) => read(chunks).map(({ data }) => data);

test.each([
  ["LF", "data: a\n\ndata: b\n\n", ["a", "b"]],
  ["CRLF", "data: a\r\n\r\ndata: b\r\n\r\n", ["a", "b"]],
  ["CR", "data: a\r\rdata: b\r\r", ["a", "b"]],
  ["a mix of line ends", "data: a\r\n\ndata: b\n\r\ndata: c\r\r\ndata: d\n\n", ["a", "b", "c", "d"]],
  ["a leading BOM", "\ufeffdata: a\n\n", ["a"]],
  ["a BOM alone", "\ufeff\n\ndata: a\n\n", ["a"]],
  ["a later BOM is no field", "data: a\n\n\ufeffdata: b\n\n", ["a"]],
  ["comments", ": ping\n\n:\n\ndata: a\n: in between\ndata: b\n\n", ["a\nb"]],
  ["data over several lines", "data: a\ndata:\ndata:  b\n\n", ["a\n\n b"]],
  ["no space after the colon", "data:a\n\n", ["a"]],
  ["a field without a colon", "data\n\n", [""]],
  ["an empty data line", "data:\n\n", [""]],
  ["fields that are none of ours", "id: 1\nretry: 5\ndatas: x\ndat: y\ndata: a\n\n", ["a"]],
  ["an event without data", "event: ping\n\ndata: a\n\n", ["a"]],
  ["an event that never ended", "data: a\n\ndata: b\n", ["a"]],
  ["characters of two, three and four bytes", "data: é€😀\n\n", ["é€😀"]],
])("%s is read as the specification says, whole and byte by byte", (_name, text, expected) => {
  expect(datas(whole(text))).toEqual(expected);
  expect(datas(byByte(text))).toEqual(expected);
});

test("the type of an event is its own and does not reach the next", () => {
  const text = "event: error\ndata: a\n\ndata: b\n\n";
  expect(read(whole(text))).toEqual([
    { data: "a", type: "error" },
    { data: "b", type: "message" },
  ]);
});

test("bytes that are no UTF-8 become U+FFFD and nothing else is lost", () => {
  const bytes = Buffer.concat([Buffer.from("data: a"), Buffer.from([0xff, 0xc3]), Buffer.from("b\n\n")]);
  expect(datas([bytes])).toEqual(["a\ufffd\ufffdb"]);
});

test("any cut of the bytes gives the same events", () => {
  const line = fc.oneof(
    fc.string({ unit: "grapheme", maxLength: 12 }).map((text) => `data: ${text.replace(/[\r\n]/g, "")}`),
    fc.constantFrom(": comment", "event: x", "data", "id: 7", "", ""),
  );
  const lines = fc.array(fc.tuple(line, fc.constantFrom("\n", "\r", "\r\n")), { maxLength: 20 });
  fc.assert(
    fc.property(fc.boolean(), lines, fc.array(fc.nat(400), { maxLength: 12 }), (hasBom, written, cuts) => {
      const text = (hasBom ? "\ufeff" : "") + written.map(([content, end]) => content + end).join("");
      const bytes = Buffer.from(text);
      const places = [...new Set([0, ...cuts.filter((cut) => cut < bytes.length), bytes.length])];
      places.sort((a, b) => a - b);
      const chunks = places.slice(1).map((end, i) => bytes.subarray(places[i], end));
      expect(read(chunks)).toEqual(read([bytes]));
    }),
    { numRuns: 500 },
  );
});

test("an event at the limit is read, one byte more is an error, in whatever pieces", () => {
  const line = `data: ${"x".repeat(94)}`;
  const fits = `${line}\n\n`;
  const over = `data: ${"x".repeat(95)}\n\n`;
  for (const cut of [whole, byByte]) {
    expect(read(cut(fits), 100)).toHaveLength(1);
    expect(() => read(cut(over), 100)).toThrow(EventTooLarge);
    expect(() => read(cut(`${line}\n${line}\n\n`), 100)).toThrow(EventTooLarge);
  }
});

test("a line that never ends is an error at the limit, not a growing buffer", () => {
  const endless = Array.from({ length: 11 }, () => Buffer.alloc(10, "x"));
  expect(() => read(endless, 100)).toThrow(EventTooLarge);
});

test("comments never add up to a limit", () => {
  expect(read(whole(": keep-alive\n".repeat(100)), 100)).toEqual([]);
});
