import type { Character } from "@parley-chat/sdk";

/** A first line is found well before this; notes can be as long as a book. */
const READ_CHARACTERS = 5_000;

/** Says in a breath what a character is: its maker's note, else the beginning of its description. */
export function taglineOf({ creator_notes, description, name }: Character): string {
  const text = firstLineOf(creator_notes) || firstLineOf(description);
  return text.replaceAll(/\{\{char\}\}/gi, () => name);
}

/** The first line that says something, without the HTML and the Markdown that cards are decorated with. */
function firstLineOf(text: string): string {
  const lines = text
    .slice(0, READ_CHARACTERS)
    .replaceAll(/<!--[\s\S]*?-->|<style\b[\s\S]*?<\/style>/gi, "")
    .replaceAll(/<(br|\/?(p|div|li|ul|ol|h[1-6]|center))\b[^<>]*>/gi, "\n")
    .replaceAll(/<\/?[a-z][^<>]*>/gi, "")
    .replaceAll(/&nbsp;/gi, " ")
    .replaceAll(/!\[[^[\]\n]*\]\([^()\n]*\)/g, "")
    .replaceAll(/\[([^[\]\n]*)\]\([^()\n]*\)/g, "$1")
    .split("\n")
    .map((line) =>
      line
        .replace(/^[\s>#]+/, "")
        .replaceAll(/[*`]|(?<!\w)_+|_+(?!\w)/g, "")
        .replaceAll(/\s+/g, " ")
        .trim(),
    );
  return lines.find((line) => /[\p{L}\p{N}]/u.test(line)) ?? "";
}
