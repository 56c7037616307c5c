/** The cursor of a place in a list of messages: opaque to clients, its seq to us. */
export const writePlace = (seq: number): string => `p${seq.toString(36)}`;

const PLACE = /^p([0-9a-z]{1,7})$/;

/** The seq of a cursor, or null where the text is none. */
export function readPlace(text: string): number | null {
  const match = PLACE.exec(text);
  return match ? Number.parseInt(match[1] as string, 36) : null;
}
