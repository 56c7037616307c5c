import fc from "fast-check";
import { expect, test } from "vitest";
import { decodeBase64 } from "./base64.ts";

const decoded = (text: string) => decodeBase64(new Uint8Array(Buffer.from(text)));

test("what was encoded decodes to the same bytes, in either alphabet, padded or not, wrapped or not", () => {
  fc.assert(
    fc.property(fc.uint8Array(), (bytes) => {
      const text = Buffer.from(bytes).toString("base64");
      for (const form of [
        text,
        text.replaceAll("=", ""),
        text.replace(/.{4}/g, "$&\r\n "),
        Buffer.from(bytes).toString("base64url"),
      ]) {
        expect(decoded(form)).toEqual(bytes);
      }
    }),
  );
});

test("what is no base64 decodes to nothing rather than to something else", () => {
  for (const text of ["A", "AAAAA", "A=", "AA=", "AAA==", "AA==A", "=", "AA*A", "AAAA====", "Ä", "AA\0A"]) {
    expect(decoded(text)).toBeNull();
  }
});

test("so does a long text, with or without something wrong in any of its pieces", () => {
  const bytes = new Uint8Array(Buffer.alloc(200_001, "Grüße, 世界"));
  const text = Buffer.from(bytes).toString("base64");
  expect(decoded(text)).toEqual(bytes);
  for (const at of [0, 65_535, 65_536, 100_000, 180_001]) {
    const [before, after] = [text.slice(0, at), text.slice(at)];
    expect(decoded(`${before}\n ${after}`)).toEqual(bytes);
    expect(decoded(`${before}_-${after}AA`)?.length).toBe(bytes.length + 3);
    for (const wrong of ["*", "=", "Ä", "\0"]) expect(decoded(before + wrong + after)).toBeNull();
  }
});
