const TITLE_CHARACTERS = 60;
/** Stars and lines around words, not those within (6*7, map_rooms). */
const MARKS = /`|(?<!\S)#+(?=\s)|(?<!\w)[*_]+|[*_]+(?!\w)/g;

/** A name for a conversation, of the words that it began with: without marks, and cut between two words. */
export function titleFrom(content: string): string {
  const oneLine = (text: string) => text.replaceAll(/\s+/g, " ").trim();
  const text = oneLine(content.replaceAll(MARKS, "")) || oneLine(content);
  const characters = [...text];
  if (characters.length <= TITLE_CHARACTERS) return text;
  // What stands before the last space leaves room for the sign that more follows.
  const room = characters.slice(0, TITLE_CHARACTERS).join("");
  const words = room.slice(0, Math.max(0, room.lastIndexOf(" "))).replace(/[\s,;:.–—-]+$/, "");
  // Where a word is as long as that, or a script has no spaces, it is cut all the same.
  const isLongEnough = [...words].length > TITLE_CHARACTERS / 2;
  return `${isLongEnough ? words : characters.slice(0, TITLE_CHARACTERS - 1).join("")}…`;
}
