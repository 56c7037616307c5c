import { expect, test } from "vitest";
import { readJsonBody } from "./json-body.ts";

const read = (text: string) => readJsonBody(Buffer.from(text));

test("a JSON body is read as it stands and an empty one is none", () => {
  expect(read('{"a":[1,null,"é😀"]}')).toEqual({ a: [1, null, "é😀"] });
  expect(read("")).toBeUndefined();
});

test("what is not JSON in UTF-8 is refused as invalid_json", () => {
  for (const text of ["{", "nope", '{"a":1}}', "\u0000"]) {
    expect(() => read(text)).toThrow(expect.objectContaining({ code: "invalid_json" }));
  }
  expect(() => readJsonBody(Buffer.from([0x22, 0xff, 0x22]))).toThrow(
    expect.objectContaining({ code: "invalid_json" }),
  );
});

test("prototype keys and bottomless nesting are refused before anything recurses", () => {
  for (const text of [
    '{"__proto__":{"a":1}}',
    '{"a":{"constructor":{"prototype":{}}}}',
    "[".repeat(500_000),
  ]) {
    expect(() => read(text)).toThrow(expect.objectContaining({ code: "validation_failed" }));
  }
  expect(read(`{"text":"${"[".repeat(1_000)}"}`)).toEqual({ text: "[".repeat(1_000) });
});

test("more parts and names than any reader should spend its time on are refused", () => {
  const refused = (message: string) => expect.objectContaining({ errors: [{ path: "", message }] });
  const parts = "has more than 125000 fields and items";
  for (const part of ["{}", "[]", "0", '{"a":1}']) {
    expect(() => read(`[${Array(130_000).fill(part)}]`)).toThrow(refused(parts));
    expect(read(`[${Array(60_000).fill(part)}]`)).toHaveLength(60_000);
  }
  const names = (count: number) => `{${Array.from({ length: count }, (_, i) => `"name ${i}":0`)}}`;
  expect(() => read(names(40_000))).toThrow(refused("has more than 20000 different names of fields"));
  expect(Object.keys(read(names(15_000)) as object)).toHaveLength(15_000);
});

test("text and numbers that no store keeps are refused with their path", () => {
  expect(() => read('{"a":[1,1e400]}')).toThrow(
    expect.objectContaining({ errors: [{ path: "a.1", message: "is a number too large to keep" }] }),
  );
  expect(() => read(`{"a":-${"9".repeat(400)}}`)).toThrow(
    expect.objectContaining({ code: "validation_failed" }),
  );
  expect(read('{"a":1e300}')).toEqual({ a: 1e300 });
  expect(() => read('{"a":{"b":"x\\u0000"}}')).toThrow(
    expect.objectContaining({
      code: "validation_failed",
      errors: [expect.objectContaining({ path: "a.b" })],
    }),
  );
  expect(() => read('{"a":"\\ud800"}')).toThrow(expect.objectContaining({ code: "validation_failed" }));
  expect(read('{"a":"\\ud83d\\ude00 \\\\u0000"}')).toEqual({ a: "😀 \\u0000" });
});
