import { stripVTControlCharacters } from "node:util";
import fc from "fast-check";
import { expect, test } from "vitest";
import { createEmphasis } from "./emphasis.ts";

const shown = (...pieces: string[]) => {
  const emphasis = createEmphasis();
  return pieces.map((piece) => emphasis.push(piece)).join("") + emphasis.end();
};
const italic = (text: string) => `\u001b[3m${text}\u001b[23m`;
const bold = (text: string) => `\u001b[1m${text}\u001b[22m`;

test("what is done is in italics and what matters is bold, wherever the pieces are cut", () => {
  const text = 'She *turns* round: "**Now**, ***then***."';
  const expected = `She ${italic("*turns*")} round: "${bold("**Now**")}, ${bold(italic("***then***"))}."`;
  for (let at = 0; at <= text.length; at++) expect(shown(text.slice(0, at), text.slice(at))).toBe(expected);
  expect(shown(...text)).toBe(expected);
});

test("asterisks that are no marks stay as they are, and emphasis ends with its line", () => {
  for (const text of ["2 * 3 * 4", "***", "a ** b", "*\n*"]) expect(shown(text)).toBe(text);
  expect(shown("*open\nnext")).toBe(`${italic("*open")}\nnext`);
  expect(shown("*open")).toBe(italic("*open"));
});

test("nothing of a text is lost, and nothing stays switched on", () => {
  fc.assert(
    fc.property(fc.array(fc.stringMatching(/^[*a \n]{0,6}$/)), (pieces) => {
      const all = shown(...pieces);
      expect(stripVTControlCharacters(all)).toBe(pieces.join(""));
      const count = (code: string) => all.split(code).length;
      expect([count("\u001b[3m"), count("\u001b[1m")]).toEqual([count("\u001b[23m"), count("\u001b[22m")]);
    }),
  );
});
