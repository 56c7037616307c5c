import { ESCAPE, endOfText, LETTER_U } from "./json-text.ts";

/** What can be told of JSON before it is parsed, when a parser would already have spent time and memory. */
export interface JsonScan {
  /** How deep lists and objects stand in each other, at most. */
  readonly depth: number;
  /** Lists, objects, fields and items together, or a little more. */
  readonly parts: number;
  /** Different names of fields, about: a parser keeps each of them in a table of its own. */
  readonly names: number;
  /** Bytes of the longest text or name, an escaped letter counted as two. */
  readonly longest: number;
}

/**
 * What JSON from outside may have. Each part and each different name costs memory and time far beyond its
 * bytes: the largest card books in use have some 50,000 fields, and files that list things by an id of their own
 * some thousands of names.
 */
export const jsonMost = { depth: 100, parts: 125_000, names: 20_000 } as const;

/** Says of what there is too much, to be read behind "the body" or "the card"; null where all is well. */
export function excessOf({ depth, parts, names }: JsonScan): string | null {
  if (depth > jsonMost.depth) return `is nested more than ${jsonMost.depth} deep`;
  if (parts > jsonMost.parts) return `has more than ${jsonMost.parts} fields and items`;
  return names > jsonMost.names ? `has more than ${jsonMost.names} different names of fields` : null;
}

interface JsonFindings extends JsonScan {
  /** Whether every text, list and object is closed; false too where the scan stopped early. */
  readonly isClosed: boolean;
  /** The first few whole numbers that a parser would change, as they are written; not looked for beyond the first 10,000 long ones. */
  readonly inexact: readonly string[];
}

const SLOTS = 1 << 16;
const HASHED_BYTES = 32;
const INEXACT_MAX = 10;
/** Telling whether one is exact takes a microsecond; a file may have hundreds of thousands. */
const LOOKED_AT_MAX = 10_000;
/** Shorter whole numbers are exact; longer ones than this are beyond all numbers, and refused as such. */
const INEXACT_BYTES_MIN = 16;
const INEXACT_BYTES_MAX = 320;

/**
 * Counts what stands outside texts; stops where there is more than asked for. Checks nothing else. Names
 * are counted only where there is a most of them, for their table costs more than a small body.
 */
export function scanJson(bytes: Uint8Array, most: Partial<JsonScan>): JsonFindings {
  const raw = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const { depth: depthMax = Infinity, parts: partsMax = Infinity, names: namesMax = Infinity } = most;
  const { longest: longestMax = Infinity } = most;
  const seen = most.names === undefined ? null : new Uint8Array(SLOTS);
  const scan = { depth: 0, parts: 0, names: 0, longest: 0, isClosed: false, inexact: [] as string[] };
  /** The closing bracket of each list and object that is open. */
  const open: number[] = [];
  let textStart = 0;
  let textEnd = 0;
  let lookedAt = 0;
  for (let i = 0; i < raw.length; i++) {
    switch (raw[i]) {
      case 0x22:
        textStart = i + 1;
        textEnd = endOfText(raw, textStart);
        if (textEnd >= raw.length) return scan;
        i = textEnd;
        // Letters are told from their bytes only where there are more bytes than before.
        if (textEnd - textStart > scan.longest) {
          scan.longest = Math.max(scan.longest, lengthOfText(raw, textStart, textEnd));
        }
        break;
      case 0x5b:
      case 0x7b:
        scan.parts++;
        // In ASCII both closing brackets stand two behind their opening ones.
        if (open.push((raw[i] as number) + 2) > scan.depth) scan.depth = open.length;
        break;
      case 0x5d:
      case 0x7d:
        if (open.pop() !== raw[i]) return scan;
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
        if (isDigit(raw[i])) {
          const end = endOfNumber(raw, i);
          if (
            end - i >= INEXACT_BYTES_MIN &&
            scan.inexact.length < INEXACT_MAX &&
            lookedAt++ < LOOKED_AT_MAX
          ) {
            const written = inexactNumber(raw.subarray(raw[i - 1] === MINUS ? i - 1 : i, end));
            if (written !== null) scan.inexact.push(written);
          }
          i = end - 1;
        }
        continue;
    }
    const isTooMuch = scan.depth > depthMax || scan.parts > partsMax || scan.names > namesMax;
    if (isTooMuch || scan.longest > longestMax) return scan;
  }
  scan.isClosed = open.length === 0;
  return scan;
}

const MINUS = 0x2d;
const isDigit = (byte: number | undefined) => byte !== undefined && byte >= 0x30 && byte <= 0x39;
/** . E e */
const isOfFraction = (byte: number | undefined) => byte === 0x2e || byte === 0x45 || byte === 0x65;
const isOfNumber = (byte: number | undefined) =>
  isDigit(byte) || isOfFraction(byte) || byte === MINUS || byte === 0x2b;

/** Where the digits of a number end, with its point and its power. */
function endOfNumber(raw: Uint8Array, start: number): number {
  let i = start;
  while (isOfNumber(raw[i])) i++;
  return i;
}

/** A whole number that JavaScript has no number for, as it is written; else null. */
function inexactNumber(raw: Uint8Array): string | null {
  // Most long numbers are fractions: told by a glance, where a text of them would cost.
  if (raw.length > INEXACT_BYTES_MAX || raw.some(isOfFraction)) return null;
  const written = String.fromCharCode(...raw);
  const value = Number(written);
  const isWhole = /^-?\d+$/.test(written) && Number.isFinite(value);
  return isWhole && BigInt(written) !== BigInt(value) ? written : null;
}

/** What follows an escape counts as one byte, the digits of `\u` not at all. */
function lengthOfText(raw: Uint8Array, start: number, end: number): number {
  let length = end - start;
  for (let i = start; i < end; i++) {
    if (raw[i] === ESCAPE && raw[++i] === LETTER_U) length -= 4;
  }
  return length;
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
