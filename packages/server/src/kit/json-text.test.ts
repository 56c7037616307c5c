import fc from "fast-check";
import { expect, test } from "vitest";
import { endOfText } from "./json-text.ts";

/** As plainly as it can be said. */
function plainEnd(raw: Uint8Array, start: number): number {
  let i = start;
  while (i < raw.length && raw[i] !== 0x22) i += raw[i] === 0x5c ? 2 : 1;
  return Math.min(i, raw.length);
}

const same = (text: string, start = 0) => {
  const raw = Buffer.from(text);
  expect(endOfText(raw, start)).toBe(plainEnd(raw, start));
};

test("a text ends at its first quote that no escape stands before, however long it is", () => {
  const part = fc.oneof(
    fc.constantFrom('"', "\\", '\\"', "\\\\", "\\u0041", "Ƶ"),
    fc.integer({ min: 1, max: 1_500 }).map((length) => "x".repeat(length)),
  );
  fc.assert(
    fc.property(fc.array(part, { maxLength: 12 }), fc.nat(20), (parts, start) => {
      same(parts.join(""), start);
    }),
    { numRuns: 2_000 },
  );
});

test("around where the search begins anew nothing is missed", () => {
  for (const length of [127, 128, 129, 1_023, 1_024, 1_025]) {
    for (const rest of ['"', '\\"', '\\""', "\\\\", '\\\\"', ""]) same("x".repeat(length) + rest);
  }
});
