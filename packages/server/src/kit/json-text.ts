export const QUOTE = 0x22;
export const ESCAPE = 0x5c;
export const LETTER_U = 0x75;

/** A longer text is looked through by Node's own search, which to call costs about as much as so many bytes. */
const SHORT_BYTES = 128;
/** Where one escape is, others follow: each ends a search. */
const STEP_BYTES = 1024;

/** Where a text of JSON ends that begins behind its quote at `start`: its closing quote, or the end of all. */
export function endOfText(raw: Buffer, start: number): number {
  const end = start + SHORT_BYTES;
  let i = start;
  while (i < end && i < raw.length && raw[i] !== QUOTE) i += raw[i] === ESCAPE ? 2 : 1;
  return i < end ? Math.min(i, raw.length) : endOfLongText(raw, i);
}

/** Searches each byte once: for a quote up to the next one, for an escape up to the next of these. */
function endOfLongText(raw: Buffer, start: number): number {
  let quote = -1;
  let i = start;
  while (i < raw.length && raw[i] !== QUOTE) {
    if (quote < i) quote = raw.indexOf(QUOTE, i);
    if (quote < 0) return raw.length;
    const nextEscape = raw.subarray(i, quote).indexOf(ESCAPE);
    if (nextEscape < 0) return quote;
    i += nextEscape;
    const end = i + STEP_BYTES;
    while (i < end && i < raw.length && raw[i] !== QUOTE) i += raw[i] === ESCAPE ? 2 : 1;
  }
  return Math.min(i, raw.length);
}
