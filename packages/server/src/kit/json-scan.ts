/** What can be told of JSON before it is parsed, when a parser would already have spent the memory. */
export interface JsonScan {
  /** How deep lists and objects stand in each other, at most. */
  readonly depth: number;
  /** Lists, objects, fields and items together, or a little more. */
  readonly parts: number;
}

/** Counts the marks outside texts; stops where there are more than asked for. Checks nothing else. */
export function scanJson(raw: Uint8Array, most: { depth: number; parts: number }): JsonScan {
  let depth = 0;
  let deepest = 0;
  let parts = 0;
  for (let i = 0; i < raw.length; i++) {
    const byte = raw[i];
    if (byte === 0x22) i = endOfText(raw, i + 1);
    else if (byte === 0x7b || byte === 0x5b) {
      parts++;
      if (++depth > deepest) deepest = depth;
    } else if (byte === 0x7d || byte === 0x5d) depth--;
    else if (byte === 0x2c) parts++;
    if (deepest > most.depth || parts > most.parts) break;
  }
  return { depth: deepest, parts };
}

function endOfText(raw: Uint8Array, start: number): number {
  let i = start;
  while (i < raw.length && raw[i] !== 0x22) i += raw[i] === 0x5c ? 2 : 1;
  return i;
}
