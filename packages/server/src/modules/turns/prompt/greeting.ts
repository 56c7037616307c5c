import type { Character } from "@parley-chat/sdk/contract";
import { MESSAGE_CHARACTERS_MAX } from "@parley-chat/sdk/contract";
import { Problem } from "@parley-chat/sdk/contract/problem";
import { isBlank, isLongerThan } from "../../../kit/text.ts";
import { expandMacros, macroNames } from "./macros.ts";

export type GreetingCharacter = Pick<Character, "name" | "nickname" | "first_mes" | "alternate_greetings">;

/**
 * What a character says first, macros filled; null where that is blank: then no message is made.
 * @param index 0 is `first_mes`, 1 the first alternate greeting
 * @param userName the display name; "User" where it is blank
 * @throws `validation_failed` where there is no such greeting, `message_too_long` where it is longer
 *   than any message may be
 */
export function greetingOf(character: GreetingCharacter, index: number, userName: string): string | null {
  const greeting = index === 0 ? character.first_mes : character.alternate_greetings[index - 1];
  if (greeting === undefined) {
    const last = character.alternate_greetings.length;
    throw Problem.invalid(
      "greeting_index",
      last === 0 ? "must be 0, since this character has one greeting" : `must be from 0 to ${last}`,
    );
  }
  if (isBlank(greeting)) return null;
  // Twice, because the bound is in code points and the stop in UTF-16 units.
  const text = expandMacros(greeting, macroNames(character, userName), 2 * MESSAGE_CHARACTERS_MAX);
  if (isLongerThan(text, MESSAGE_CHARACTERS_MAX)) {
    throw new Problem(
      "message_too_long",
      `This greeting has more than ${MESSAGE_CHARACTERS_MAX} characters: shorten it, or choose another with greeting_index.`,
    );
  }
  return text;
}
