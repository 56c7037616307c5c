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
