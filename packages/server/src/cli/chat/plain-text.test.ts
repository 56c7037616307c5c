import fc from "fast-check";
import { expect, test } from "vitest";
import { createStyle, forOneLine, forTerminal } from "./plain-text.ts";

/** What a terminal acts on: C0 without tab and line feed, DEL and C1; and what bends or hides text. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what this is about
const HARMFUL = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069\u{e0000}-\u{e007f}]/u;

test("no text in any pieces leaves anything that a terminal acts on", () => {
  const unit = fc.oneof(fc.integer({ min: 0, max: 0xa0 }), fc.integer({ min: 0, max: 0xe007f }));
  const anyText = fc
    .array(unit.filter((code) => code < 0xd800 || code > 0xdfff))
    .map((codes) => String.fromCodePoint(...codes));
  fc.assert(
    fc.property(anyText, anyText, (a, b) => {
      expect(HARMFUL.test(forTerminal(a) + forTerminal(b))).toBe(false);
      expect(forOneLine(a)).not.toContain("\n");
    }),
  );
});

test("text of every language, lines, tabs and emoji stay as they are", () => {
  const text = "Ça va?\n\t你好, 👩‍👩‍👧‍👦 שלום مرحبا e\u0301";
  expect(forTerminal(text)).toBe(text);
  expect(forTerminal("one\r\ntwo")).toBe("one\ntwo");
});

test("what is neutralised can still be seen", () => {
  expect(forTerminal("\u001b[2J\u0007\u007f\u009b")).toBe("\u241b[2J\u2407\u2421\ufffd");
});

test("style is nothing where no colour is wanted", () => {
  expect(createStyle(false).bold("x")).toBe("x");
  expect(createStyle(true).bold("x")).toBe("\u001b[1mx\u001b[22m");
});
