import { hash, randomUUIDv7 } from "node:crypto";

/** A fresh, time-ordered id (UUIDv7). */
export const newId = (): string => randomUUIDv7();

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** Whether a text has the form of our ids: a lower-case UUID. */
export const isId = (text: string): boolean => UUID.test(text);

/**
 * The id that belongs to these parts, always the same (UUIDv8 over SHA-256, RFC 9562 5.8).
 * Parts are length-prefixed, so no two lists of parts share an id by concatenation.
 */
export function derivedId(...parts: string[]): string {
  let text = "";
  for (const part of parts) text += `${part.length}:${part};`;
  const hex = hash("sha256", text, "hex");
  const variant = ((Number.parseInt(hex[16] as string, 16) & 0x3) | 0x8).toString(16);
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}
