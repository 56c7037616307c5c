import { expect, test } from "vitest";
import { scanJson } from "./json-scan.ts";

const scan = (value: unknown, most = {}) => scanJson(Buffer.from(JSON.stringify(value)), most);

test("depth, parts and different names are counted outside texts", () => {
  const value = { a: [{ b: 1 }, { b: 2 }], 'c"[{,:': "[[[,,,:::" };
  expect(scan(value, { names: 100 })).toEqual({ depth: 3, parts: 6, names: 3 });
  expect(scan(value)).toMatchObject({ depth: 3, parts: 6 });
  expect(scan("[[[")).toEqual({ depth: 0, parts: 0, names: 0 });
});

test("it stops where there is more than asked for, and at the end of what is broken", () => {
  const many = Array(1_000).fill({});
  expect(scan(many, { parts: 10 }).parts).toBe(11);
  expect(scan([[[[[]]]]], { depth: 2 }).depth).toBe(3);
  expect(scan(Object.fromEntries(many.map((_, i) => [i, 0])), { names: 5 }).names).toBe(6);
  for (const text of ['"', '"\\', '{"a', "]]]"])
    expect(scanJson(Buffer.from(text), {}).parts).toBeLessThan(2);
});
