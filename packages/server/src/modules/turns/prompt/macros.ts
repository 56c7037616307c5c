import type { Character } from "@parley-chat/sdk/contract";
import { isBlank, stripControl } from "../../../kit/text.ts";

/** What the macros of a card stand for. `original` only where the card may ask for ours. */
export interface MacroValues {
  readonly char: string;
  readonly user: string;
  readonly original?: string;
}

const MACRO = /\{\{(char|user|original)\}\}|<(bot|user)>/gi;

/**
 * Fills `{{char}}` and `<BOT>`, `{{user}}` and `<USER>`, and where there is one `{{original}}`, whatever
 * their case (V1 and V2 card specifications). One pass: a value that holds a macro is not filled again,
 * so nothing can blow up. `{{original}}` counts once and is empty after that, as in the usual clients.
 * @param lengthMax stops soon after so many UTF-16 units; the result is then longer than that
 */
export function expandMacros(
  text: string,
  values: MacroValues,
  lengthMax: number = Number.POSITIVE_INFINITY,
): string {
  let expanded = "";
  let from = 0;
  let original = values.original;
  for (const match of text.matchAll(MACRO)) {
    const name = (match[1] ?? match[2] ?? "").toLowerCase();
    if (name === "original" && original === undefined) continue;
    expanded += text.slice(from, match.index);
    if (name === "original") {
      expanded += original;
      original = "";
    } else {
      expanded += name === "user" ? values.user : values.char;
    }
    from = match.index + match[0].length;
    if (expanded.length > lengthMax) return expanded;
  }
  return from === 0 ? text : expanded + text.slice(from);
}

/**
 * The names that the macros of a character's card take. A nickname comes before the name (V3); a user
 * without a display name is "User". Names become one line, so that no name looks like a paragraph of ours.
 */
export const macroNames = (
  character: Pick<Character, "name" | "nickname">,
  userName: string,
): { char: string; user: string } => ({
  char: oneLine(character.nickname ?? "") || oneLine(character.name) || "Character",
  user: oneLine(userName) || "User",
});

const oneLine = (name: string): string =>
  isBlank(name) ? "" : stripControl(name).replace(/\s+/g, " ").trim();
