import { createHash } from "node:crypto";
import fc from "fast-check";
import { expect, test } from "vitest";
import {
  codePointCount,
  hasNulOrLoneSurrogate,
  isBlank,
  isLongerThan,
  sha256Hex,
  stripControl,
} from "./text.ts";

const anyText = fc.string({ unit: "binary", maxLength: 200 });
/** Every character on its own, to compare sets of characters. */
const everyCharacter = function* () {
  for (let code = 0; code <= 0x10ffff; code++) {
    if (code < 0xd800 || code > 0xdfff) yield String.fromCodePoint(code);
  }
};
const hex = (text: string) => text.codePointAt(0)?.toString(16);

test("NUL and half surrogate pairs are found wherever they stand, whole pairs are not", () => {
  expect(hasNulOrLoneSurrogate("a\0b")).toBe(true);
  expect(hasNulOrLoneSurrogate("a\ud83d")).toBe(true);
  expect(hasNulOrLoneSurrogate("\ude00a")).toBe(true);
  expect(hasNulOrLoneSurrogate("a😀\n\t")).toBe(false);
});

test("text of white space and invisible characters alone is blank", () => {
  for (const blank of [
    "",
    " \t\r\n",
    "\u00a0\u2003\u3000",
    "\u200b\u200d\ufeff\u2060",
    "\u{e0041}\u2800\u3164",
  ])
    expect(isBlank(blank)).toBe(true);
  for (const text of ["a", " . ", "\u200b😀", "漢", "́"]) expect(isBlank(text)).toBe(false);
});

test("lengths count code points, and the bound agrees with the count", () => {
  expect(codePointCount("a😀e\u0301")).toBe(4);
  expect(codePointCount("\ude00\ud83d")).toBe(2);
  fc.assert(
    fc.property(anyText, fc.nat(250), (text, max) => {
      expect(codePointCount(text)).toBe([...text].length);
      expect(isLongerThan(text, max)).toBe([...text].length > max);
    }),
  );
});

test("hidden characters go, and what scripts and emoji need stays", () => {
  expect(stripControl("a\u{e0048}\u{e0049}\u202eb\u200b\ufeffc\u2066d\x07\x1b[0m\x85")).toBe("abcd[0m");
  expect(stripControl("one\r\ntwo\rthree\tfour\n")).toBe("one\ntwo\nthree\tfour\n");
  for (const text of ["می\u200cخواهم", "❤\ufe0f\u200d🔥", "👩🏽\u200d🚀", "क्\u200dष", "葛\u{e0100}", "éß漢"])
    expect(stripControl(text)).toBe(text);
});

test("bytes hidden in a run of variation selectors or joiners do not get through", () => {
  const smuggled = `😀${"\ufe01\ufe02\u{e0110}\u{e0121}".repeat(50)} ${"\u200c\u200d".repeat(64)}`;
  expect(codePointCount(stripControl(smuggled))).toBe(1 + 2 + 1 + 2);
});

test("the fast scan sees every character that the slow way would change", () => {
  const missed: (string | undefined)[] = [];
  const removable = /[\p{Cc}\p{Bidi_Control}\p{Default_Ignorable_Code_Point}\ufff9-\ufffb]/u;
  const kept =
    /[\t\n\p{Variation_Selector}\u115f\u1160\u180e\u3164\uffa0]|[\u17b4\u17b5]|\u034f|\u200c|\u200d/u;
  for (const character of everyCharacter()) {
    const expected =
      character === "\r" ? "\n" : removable.test(character) && !kept.test(character) ? "" : character;
    if (stripControl(character) !== expected) missed.push(hex(character));
    if (
      kept.test(character) &&
      stripControl(character.repeat(5)).length > 2 * character.length &&
      character > "\n"
    )
      missed.push(hex(character));
  }
  expect(missed).toEqual([]);
});

test("stripping is done at once: a second time changes nothing, and nothing grows", () => {
  fc.assert(
    fc.property(anyText, (text) => {
      const once = stripControl(text);
      expect(stripControl(once)).toBe(once);
      expect(once.length).toBeLessThanOrEqual(text.length);
    }),
  );
});

test("the hash is SHA-256 of the text's UTF-8", () => {
  expect(sha256Hex("héllo 😀")).toBe(createHash("sha256").update("héllo 😀", "utf8").digest("hex"));
});
