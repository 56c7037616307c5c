import { hash } from "node:crypto";

/** Whether a text holds what we neither store nor send on: NUL, or half of a surrogate pair. */
export const hasNulOrLoneSurrogate = (text: string): boolean => text.includes("\0") || !text.isWellFormed();

const VISIBLE = /[^\p{White_Space}\p{Cc}\p{Default_Ignorable_Code_Point}\u2800]/u;

/** Whether a text shows nothing: empty, or only Unicode white space and invisible characters. */
export const isBlank = (text: string): boolean => !VISIBLE.test(text);

/** Length in Unicode code points; half of a surrogate pair counts as one. */
export function codePointCount(text: string): number {
  let count = text.length;
  for (let i = 1; i < text.length; i++) {
    const isLow = (text.charCodeAt(i) & 0xfc00) === 0xdc00;
    if (isLow && (text.charCodeAt(i - 1) & 0xfc00) === 0xd800) count--;
  }
  return count;
}

/** Whether a text has more than `max` code points; counts only where the plain length leaves a doubt. */
export const isLongerThan = (text: string, max: number): boolean =>
  text.length > max && (text.length > 2 * max || codePointCount(text) > max);

/**
 * What `stripControl` might change. Rougher than that, on UTF-16 units: the common scripts and emoji
 * are ruled out by one fast scan, and the rest is looked at closely.
 */
const SUSPICIOUS =
  /[^\t\n -~\xa0-\xac\xae-\u02ff\u0370-\u061b\u061d-\u10ff\u2010-\u2027\u2030-\u205f\u2070-\u2fff\u3001-\u3163\u3165-\ud82e\ud830-\ud833\ud835-\udb3f\udb44-\ufdff\uff01-\uff9f]/;

/**
 * Invisible, but scripts and emoji need it: joiners, variation selectors, Mongolian and Khmer vowels,
 * Hangul fillers, the grapheme joiner.
 */
const JOINER = String.raw`\u200c\u200d\p{Variation_Selector}\u034f\u115f\u1160\u17b4\u17b5\u180e\u3164\uffa0`;

const HIDDEN = new RegExp(
  String.raw`[[\p{Cc}\p{Bidi_Control}\p{Default_Ignorable_Code_Point}\ufff9-\ufffb]--[\t\n${JOINER}]]`,
  "gv",
);

/** No writing puts more than two joiners in a row; longer runs carry hidden bytes. */
const JOINER_RUN = new RegExp(`([${JOINER}]{2})[${JOINER}]+`, "gv");

/**
 * Takes out what a reader cannot see but a model reads (R15): Unicode tags, direction controls,
 * zero-width characters that no script needs, control characters but tab and line feed. Line ends
 * become line feeds. For what goes to a model; what is stored stays as it was sent.
 */
export function stripControl(text: string): string {
  if (!SUSPICIOUS.test(text)) return text;
  return text.replace(/\r\n?/g, "\n").replace(HIDDEN, "").replace(JOINER_RUN, "$1");
}

/** SHA-256 of a text's UTF-8, in lower-case hex. */
export const sha256Hex = (text: string): string => hash("sha256", text, "hex");
