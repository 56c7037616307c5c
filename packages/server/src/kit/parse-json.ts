import { ESCAPE, endOfText, LETTER_U, QUOTE } from "./json-text.ts";

/**
 * Larger than this nothing is made a string of, but a text by itself. Small enough that the string is one of
 * those that die young; a larger one lies beside its values until the whole heap is cleared.
 */
const PIECE_BYTES = 32 * 1024;

/** A list or object of more bytes than a piece, from its bracket `start` to its bracket `end`. */
interface Large {
  readonly start: number;
  readonly end: number;
  /** Some of its own commas: between two of them is no more than a piece, or one single part. */
  readonly cuts: readonly number[];
}

/**
 * What `JSON.parse` makes of the text of these bytes (UTF-8), without ever holding that text as a whole:
 * where one letter is beyond Latin-1, it has two bytes for each. Calls itself as deep as the JSON is nested,
 * so the depth must be known to be bounded. Throws `SyntaxError` where it is not valid JSON.
 */
export function parseJson(raw: Uint8Array, pieceBytes = PIECE_BYTES): unknown {
  const bytes = Buffer.from(raw.buffer, raw.byteOffset, raw.byteLength);
  if (bytes.length <= pieceBytes) return JSON.parse(bytes.toString());
  const larges = findLarge(bytes, pieceBytes);
  return valueIn(0, bytes.length);

  function valueIn(from: number, to: number): unknown {
    const [start, end] = trimmed(bytes, from, to);
    if (end - start <= pieceBytes) return JSON.parse(bytes.toString("utf8", start, end));
    const large = larges.get(start);
    if (!large)
      return bytes[start] === QUOTE ? textIn(start, end) : JSON.parse(bytes.toString("utf8", start, end));
    if (large.end !== end - 1) throw new SyntaxError("something stands behind a value");
    return bytes[start] === LIST ? listIn(large) : objectIn(large);
  }

  /** A text without escapes stands in the bytes as it is; any other is put together outside the heap. */
  function textIn(start: number, end: number): string {
    const [from, to] = [start + 1, end - 1];
    if (to < from || endOfText(bytes, from) !== to) throw new SyntaxError("a text has no end");
    if (!hasEscapeOrControl(bytes, from, to)) return bytes.toString("utf8", from, to);
    const units = Buffer.allocUnsafeSlow(2 * (to - from));
    let length = 0;
    for (let at = from; at < to; ) {
      const next = endOfPiece(at, to);
      length += units.write(JSON.parse(`"${bytes.toString("utf8", at, next)}"`), length, "utf16le");
      at = next;
    }
    const text = units.toString("utf16le", 0, length);
    units.buffer.transfer(0);
    return text;
  }

  /** Not in the middle of a letter or an escape. */
  function endOfPiece(from: number, end: number): number {
    let at = from;
    while (at < end && at - from < pieceBytes) {
      if (bytes[at] !== ESCAPE) at++;
      else at += bytes[at + 1] === LETTER_U ? 6 : 2;
    }
    while (at < end && ((bytes[at] as number) & 0xc0) === 0x80) at++;
    return Math.min(at, end);
  }

  function listIn(large: Large): unknown[] {
    const items: unknown[] = [];
    for (const [from, to] of partsOf(large)) {
      if (to - from > pieceBytes) {
        items.push(valueIn(from, to));
        continue;
      }
      const some = JSON.parse(`[${bytes.toString("utf8", from, to)}]`) as unknown[];
      if (some.length === 0) throw new SyntaxError("an item is missing");
      for (const item of some) items.push(item);
    }
    return items;
  }

  function objectIn(large: Large): object {
    const fields = {};
    for (const [from, to] of partsOf(large)) {
      if (to - from > pieceBytes) {
        setField(fields, ...fieldIn(from, to));
        continue;
      }
      const some = Object.entries(JSON.parse(`{${bytes.toString("utf8", from, to)}}`) as object);
      if (some.length === 0) throw new SyntaxError("a field is missing");
      for (const [name, value] of some) setField(fields, name, value);
    }
    return fields;
  }

  function fieldIn(from: number, to: number): [name: string, value: unknown] {
    const [start, end] = trimmed(bytes, from, to);
    const nameEnd = bytes[start] === QUOTE ? endOfText(bytes, start + 1) + 1 : end;
    const [colon] = trimmed(bytes, nameEnd, end);
    if (bytes[colon] !== COLON) throw new SyntaxError("a field has no name");
    return [JSON.parse(bytes.toString("utf8", start, nameEnd)) as string, valueIn(colon + 1, end)];
  }

  function* partsOf({ start, end, cuts }: Large): Generator<[from: number, to: number]> {
    const [first, last] = trimmed(bytes, start + 1, end);
    if (first === last) return;
    let from = start + 1;
    for (const cut of cuts) {
      yield [from, cut];
      from = cut + 1;
    }
    yield [from, end];
  }
}

const COMMA = 0x2c;
const COLON = 0x3a;
const LIST = 0x5b;
const OBJECT = 0x7b;

/** All large lists and objects by where they begin; one walk over the bytes. */
function findLarge(bytes: Buffer, pieceBytes: number): ReadonlyMap<number, Large> {
  const larges = new Map<number, Large>();
  /** What is open: its bracket, its last comma, and where what is not cut off yet begins. */
  const open: { start: number; comma: number; run: number; cuts: number[] }[] = [];
  const isLong = (from: number, to: number) => to - from - 1 > pieceBytes;
  const cut = (whole: (typeof open)[number], comma: number) => {
    whole.cuts.push(comma);
    whole.run = comma;
  };
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i] as number;
    if (byte === QUOTE) i = endOfText(bytes, i + 1);
    else if (byte === LIST || byte === OBJECT) open.push({ start: i, comma: i, run: i, cuts: [] });
    else if (byte === COMMA || byte === LIST + 2 || byte === OBJECT + 2) {
      const whole = open.at(-1);
      if (!whole) throw new SyntaxError("a part stands in nothing");
      if (isLong(whole.run, i) && whole.comma > whole.run) cut(whole, whole.comma);
      if (byte === COMMA) {
        if (isLong(whole.run, i)) cut(whole, i);
        whole.comma = i;
        continue;
      }
      open.pop();
      if (bytes[whole.start] !== byte - 2) throw new SyntaxError("brackets do not match");
      if (i + 1 - whole.start > pieceBytes)
        larges.set(whole.start, { start: whole.start, end: i, cuts: whole.cuts });
    }
  }
  return larges;
}

/** Assigning would not make a field of this name. */
function setField(fields: object, name: string, value: unknown): void {
  if (name !== "__proto__") (fields as Record<string, unknown>)[name] = value;
  else Object.defineProperty(fields, name, { value, enumerable: true, configurable: true, writable: true });
}

const isSpace = (byte: number | undefined) =>
  byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;

function trimmed(bytes: Uint8Array, from: number, to: number): [start: number, end: number] {
  let [start, end] = [from, to];
  while (start < end && isSpace(bytes[start])) start++;
  while (end > start && isSpace(bytes[end - 1])) end--;
  return [start, end];
}

function hasEscapeOrControl(bytes: Uint8Array, from: number, to: number): boolean {
  for (let i = from; i < to; i++) {
    if ((bytes[i] as number) < 0x20 || bytes[i] === ESCAPE) return true;
  }
  return false;
}
