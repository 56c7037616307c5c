/** What can be told of JSON before it is parsed, when a parser would already have spent time and memory. */
export interface JsonScan {
  /** How deep lists and objects stand in each other, at most. */
  readonly depth: number;
  /** Lists, objects, fields and items together, or a little more. */
  readonly parts: number;
  /** Different names of fields, about: a parser keeps each of them in a table of its own. */
  readonly names: number;
}

const SLOTS = 1 << 16;
const HASHED_BYTES = 32;

/**
 * Counts what stands outside texts; stops where there is more than asked for. Checks nothing else. Names
 * are counted only where there is a most of them, for their table costs more than a small body.
 */
export function scanJson(raw: Uint8Array, most: Partial<JsonScan>): JsonScan {
  const { depth: depthMax = Infinity, parts: partsMax = Infinity, names: namesMax = Infinity } = most;
  const seen = most.names === undefined ? null : new Uint8Array(SLOTS);
  const scan = { depth: 0, parts: 0, names: 0 };
  let depth = 0;
  let textStart = 0;
  let textEnd = 0;
  for (let i = 0; i < raw.length; i++) {
    switch (raw[i]) {
      case 0x22:
        textStart = i + 1;
        textEnd = endOfText(raw, textStart);
        i = textEnd;
        break;
      case 0x5b:
      case 0x7b:
        scan.parts++;
        if (++depth > scan.depth) scan.depth = depth;
        break;
      case 0x5d:
      case 0x7d:
        depth--;
        break;
      case 0x2c:
        scan.parts++;
        break;
      case 0x3a: {
        if (!seen) break;
        const slot = hashOf(raw, textStart, textEnd) % SLOTS;
        if (seen[slot] === 0) scan.names++;
        seen[slot] = 1;
        break;
      }
      default:
        continue;
    }
    if (scan.depth > depthMax || scan.parts > partsMax || scan.names > namesMax) break;
  }
  return scan;
}

function endOfText(raw: Uint8Array, start: number): number {
  let i = start;
  while (i < raw.length && raw[i] !== 0x22) i += raw[i] === 0x5c ? 2 : 1;
  return i;
}

/** FNV-1a over the length and the ends of a name. */
function hashOf(raw: Uint8Array, start: number, end: number): number {
  let hash = 0x811c9dc5 ^ (end - start);
  const add = (from: number, to: number) => {
    for (let i = from; i < to; i++) hash = Math.imul(hash ^ (raw[i] as number), 0x01000193);
  };
  add(start, Math.min(end, start + HASHED_BYTES));
  add(Math.max(start, end - HASHED_BYTES), end);
  return hash >>> 0;
}
