/** What is no digit has this bit. */
const SPACE = 64;
const PAD = 65;
const BAD = 66;

/** What each byte stands for: both alphabets, white space, padding. */
const values = new Uint8Array(256).fill(BAD);
for (const [i, byte] of Buffer.from(
  "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
).entries()) {
  values[byte] = i;
}
values[0x2d] = 62;
values[0x5f] = 63;
values[0x3d] = PAD;
for (const byte of Buffer.from(" \t\r\n")) values[byte] = SPACE;

/**
 * The bytes behind base64 (RFC 4648, either alphabet, white space passed over, padding not asked for),
 * or null where it is none. Node's own decoder passes over what it does not know, so that a damaged text
 * would become another one; and it takes a string, which of a large text is one copy too many. The bytes
 * are written over the text, which is lost: they never come before what they are made of.
 */
export function decodeBase64(text: Uint8Array): Uint8Array | null {
  const bytes = text;
  let at = 0;
  let bits = 0;
  let count = 0;
  let padding = 0;
  for (let i = 0; i < text.length; i++) {
    if (count % 4 === 0 && padding === 0) {
      // Most of a text is whole groups, and by groups it takes a third of the time.
      for (; i + 3 < text.length; i += 4) {
        const a = values[text[i] as number] as number;
        const b = values[text[i + 1] as number] as number;
        const c = values[text[i + 2] as number] as number;
        const d = values[text[i + 3] as number] as number;
        if ((a | b | c | d) >= SPACE) break;
        bytes[at++] = (a << 2) | (b >> 4);
        bytes[at++] = (b << 4) | (c >> 2);
        bytes[at++] = (c << 6) | d;
      }
      if (i === text.length) break;
    }
    const value = values[text[i] as number] as number;
    if (value === SPACE) continue;
    if (value === PAD) {
      padding++;
      continue;
    }
    if (value === BAD || padding > 0) return null;
    bits = (bits << 6) | value;
    if (++count % 4 === 0) {
      bytes[at++] = bits >> 16;
      bytes[at++] = bits >> 8;
      bytes[at++] = bits;
      bits = 0;
    }
  }
  const rest = count % 4;
  if (rest === 1 || padding > 2 || (padding > 0 && (count + padding) % 4 !== 0)) return null;
  if (rest === 3) bits <<= 6;
  if (rest === 2) bits <<= 12;
  if (rest > 1) bytes[at++] = bits >> 16;
  if (rest > 2) bytes[at++] = bits >> 8;
  return bytes.subarray(0, at);
}
