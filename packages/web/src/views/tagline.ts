import type { Character } from "@parley-chat/sdk";

/** Says in a breath what a character is: its maker's note, else the beginning of its description. */
export function taglineOf({ creator_notes, description, name }: Character): string {
  const text = (creator_notes || description).replaceAll(/\{\{char\}\}/gi, name).replaceAll(/[*_#>`]/g, "");
  return text.split("\n", 1)[0]?.trim() ?? "";
}
