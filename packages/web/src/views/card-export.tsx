import type { Character } from "@parley-chat/sdk";

/** Downloads of a character as a card file. */
export function ExportButtons(_props: { character: Character }) {
  return null;
}
