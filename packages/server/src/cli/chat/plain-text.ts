const DELETE = 0x7f;
/** What turns the direction of text around, hides in it or spells invisibly (Unicode bidi controls, tags). */
const DECEPTIVE = /[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\u{e0000}-\u{e007f}]/gu;
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what this is about
const CONTROL = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f]/g;

/**
 * Text of others as a terminal may show it: whatever could move the cursor, change colours, titles or
 * the clipboard becomes the visible picture of itself. Lines and tabs stay, carriage returns go. It looks
 * at one character at a time, so a sequence that comes in two pieces is harmless too.
 */
export const forTerminal = (text: string): string =>
  text.replaceAll("\r", "").replace(CONTROL, pictureOf).replace(DECEPTIVE, "\ufffd");

/** The same on one line. */
export const forOneLine = (text: string): string => forTerminal(text).replaceAll(/\s+/g, " ").trim();

/** `␛` for an escape and so on (Unicode block Control Pictures); C1 controls have no picture. */
function pictureOf(control: string): string {
  const code = control.charCodeAt(0);
  if (code === DELETE) return "\u2421";
  return code <= 0x1f ? String.fromCharCode(0x2400 + code) : "\ufffd";
}

/** Bold and the like where a person looks, nothing elsewhere (no-color.org). */
export function createStyle(isColored: boolean) {
  const wrap = (on: number, off: number) => (text: string) =>
    isColored ? `\u001b[${on}m${text}\u001b[${off}m` : text;
  return { bold: wrap(1, 22), dim: wrap(2, 22), cyan: wrap(36, 39), red: wrap(31, 39) };
}
