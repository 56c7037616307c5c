import fc from "fast-check";
import { expect, test } from "vitest";
import { parseJson } from "./parse-json.ts";

const outcomeOf = (parse: () => unknown) => {
  try {
    return { value: parse() };
  } catch (error) {
    return { refused: error instanceof SyntaxError };
  }
};
const same = (text: string, pieceBytes: number) => {
  const expected = outcomeOf(() => JSON.parse(text));
  const bytes = Buffer.from(text);
  const got = outcomeOf(() => parseJson(bytes, pieceBytes));
  expect(got).toEqual(expected);
  // The order of fields, and fields that equality passes over.
  expect(JSON.stringify(got)).toBe(JSON.stringify(expected));
};

test.each([
  '{"a":1,"__proto__":{"x":[1,2]},"b":2}',
  '{"__proto__":1,"a":1}',
  '{"b":1,"a":2,"b":3,"1":4}',
  "[          ]",
  "{          }",
  "[1,,2]",
  "[1,2,]",
  "[,1,2]",
  '{"a":1,}',
  '{"a":1,,"b":2}',
  '{"a" : "long long long" , "b" : [ "long long", {} ] } ',
  '{"long long":}',
  '{"long long"}',
  '{long long:"long long"}',
  "[1],[2],[3]",
  '{"a":1}{"b":2}',
  '{"a":[1,2,3]} x',
  "[1,2,3} ,{4]",
  '["unended',
  '["a\\',
  '"a long\ttext"',
  '"a \\u00fcml\\"aut"',
  '"Ƶ🐝Ƶ🐝Ƶ🐝\\n"',
  '"Ƶ\\ud83d\\udc1dx\\ud83dy\\udc1d🐝"',
  '"\\u00"',
  '"\\u12"',
  '"\\x\\"',
  '"\\u12\\"34"',
  '"',
  '""x""',
  '"one""two"',
  "123456789012345678901234567890",
  '[1,"]",2,"[",3,"\\"",4]',
  "",
  "        ",
])("by the smallest pieces %s is what JSON.parse makes of it", (text) => {
  for (const pieceBytes of [1, 2, 3, 5, 8]) same(text, pieceBytes);
});

test("whatever JSON, whole or damaged, by whatever pieces: it is what JSON.parse makes of it", () => {
  const damage = fc.record({
    at: fc.nat(),
    removed: fc.nat(3),
    added: fc.constantFrom("", ...'[]{},:" \\x1'),
  });
  fc.assert(
    fc.property(
      fc.jsonValue({ maxDepth: 5 }),
      fc.nat(3),
      fc.integer({ min: 1, max: 40 }),
      fc.array(damage, { maxLength: 2 }),
      (value, indent, pieceBytes, damages) => {
        let text = JSON.stringify(value, null, indent);
        for (const { at, removed, added } of damages) {
          const place = at % (text.length + 1);
          text = text.slice(0, place) + added + text.slice(place + removed);
        }
        same(text, pieceBytes);
      },
    ),
    { numRuns: 3_000 },
  );
});
