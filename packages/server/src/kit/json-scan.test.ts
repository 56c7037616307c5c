import { expect, test } from "vitest";
import { scanJson } from "./json-scan.ts";

const scan = (value: unknown, most = {}) => scanJson(Buffer.from(JSON.stringify(value)), most);

test("depth, parts and different names are counted outside texts", () => {
  const value = { a: [{ b: 1 }, { b: 2 }], 'c"[{,:': "[[[,,,:::" };
  expect(scan(value, { names: 100 })).toMatchObject({ depth: 3, parts: 6, names: 3 });
  expect(scan(value)).toMatchObject({ depth: 3, parts: 6 });
  expect(scan("[[[")).toMatchObject({ depth: 0, parts: 0, names: 0 });
});

test("it stops where there is more than asked for, and at the end of what is broken", () => {
  const many = Array(1_000).fill({});
  expect(scan(many, { parts: 10 }).parts).toBe(11);
  expect(scan([[[[[]]]]], { depth: 2 }).depth).toBe(3);
  expect(scan(Object.fromEntries(many.map((_, i) => [i, 0])), { names: 5 }).names).toBe(6);
  for (const text of ['"', '"\\', '{"a', "]]]"])
    expect(scanJson(Buffer.from(text), {}).parts).toBeLessThan(2);
});

test("what is not closed, or closed by the wrong bracket, is told", () => {
  const isClosed = (text: string) => scanJson(Buffer.from(text), {}).isClosed;
  for (const text of ['{"a":[{}]}', "[]", '"]"', '["\\\\"]', "1"])
    expect([text, isClosed(text)]).toEqual([text, true]);
  for (const text of ['{"a":1', "[1]]", "[}", '{"a":[1}', '"a', '["\\"]', "]["]) {
    expect([text, isClosed(text)]).toEqual([text, false]);
  }
});

test("the longest text is found, escaped letters counted as two bytes", () => {
  const longest = (text: string) => scanJson(Buffer.from(text), {}).longest;
  expect([longest("[1]"), longest('{"name":"a"}'), longest('["Ƶ","\\u01b5\\u01b5"]')]).toEqual([0, 4, 4]);
  expect(longest('["\\\\u0041"]')).toBe(7);
  expect(scanJson(Buffer.from('["aaaa",[[]]]'), { longest: 3 })).toMatchObject({ longest: 4, depth: 1 });
});

test("whole numbers that a parser would change are told as they are written", () => {
  const { inexact } = scanJson(
    Buffer.from(
      '[9007199254740993,-9007199254740993,9007199254740992,"9007199254740993",1e400,0.12345678901234567,1234567890123456e3]',
    ),
    {},
  );
  expect(inexact).toEqual(["9007199254740993", "-9007199254740993"]);
  expect(scanJson(Buffer.from("9".repeat(1_000_000)), {}).inexact).toEqual([]);
  expect(scanJson(Buffer.from(`[${Array(50).fill("9007199254740993")}]`), {}).inexact).toHaveLength(10);
});
