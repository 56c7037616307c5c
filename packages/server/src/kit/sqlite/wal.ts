import { closeSync, openSync, readFileSync, readSync, rmSync, statSync, writeFileSync } from "node:fs";
import { endianness } from "node:os";
import { dirname } from "node:path";
import type { DatabaseSync } from "node:sqlite";
import { syncFolder } from "../durable-files.ts";
import { StartError } from "../start-error.ts";

/*
 * SQLite takes the first frame of a log that is not whole for the end of the log: a power cut leaves such
 * ends. So it opens without a word what was damaged, cut or removed behind a kill. Two things tell:
 *
 * The index of the log, `-shm`, outlives a kill and says how many frames were committed. Each commit writes
 * it behind its sync, so it never tells of more than the log held (https://sqlite.org/walformat.html).
 *
 * Where there is no log to compare it with, a mark of ours, `-mark`, says when the database itself was last
 * written as something was committed to the log alone. If it was not written since, the log was not folded
 * into it, by whatever program.
 */

/** What the index says of the log. */
interface Index {
  readonly header: Buffer;
  /** Committed in the log. */
  readonly frames: number;
  /** Of those, how many are in the database as well. */
  readonly folded: number;
  /** Of this log alone: it gets others each time it begins anew. */
  readonly salts: Buffer;
}

type Sum = readonly [number, number];

const NO_SUM: Sum = [0, 0];
const IS_BIG_ENDIAN = endianness() === "BE";

const INDEX_BYTES = 100;
const INDEX_VERSION = 3_007_000;
const HEADER_BYTES = 32;
/** The last bit says in which order of bytes the log is summed up. */
const MAGIC = 0x377f0682;
const FRAME_HEADER_BYTES = 24;
/** Frames are read some 1 MB at a time. */
const FRAMES_AT_ONCE = 256;

/**
 * Throws a `StartError` where the log of a SQLite file lacks what was committed to it. It changes nothing,
 * so that the right log can be put back. Where index and mark are gone too, nothing is known.
 *
 * Not to be called where this process has the file open: closing any descriptor of the index drops this
 * process's locks on it. Another may have it open, and write it.
 */
export function refuseCutLog(path: string): void {
  const file = statSync(path, { throwIfNoEntry: false });
  // A log without its file is nothing: SQLite removes it.
  if (!file?.size) return;
  const index = readIndex(path);
  const found = reading(`${path}-wal`, (log) => compare(log, index)) ?? "none";
  if (found === "whole" || (found === "none" && readMark(path) !== String(file.mtimeMs))) return;
  // A server that runs meanwhile may have begun the log anew; then it has said so in the index first.
  if (found === "cut" && index && !readIndex(path)?.header.equals(index.header)) return;
  throw new StartError(
    `${path}-wal is damaged or gone, and with it what was stored last; put the right one back, \`parley restore BACKUP --replace\` brings a backup back, or move it, ${path}-shm and ${path}-mark away to go on without what it held.`,
  );
}

/**
 * Keeps the mark of a SQLite file. To be told behind each commit when the file was last written, and whether
 * the commit wrote to the log. It writes once for each time that the file was written, so next to never.
 */
export function createMark(path: string, writtenAtMs: number) {
  let seen = writtenAtMs;
  let marked: number | null = null;
  return (now: number, isInLog: boolean): void => {
    // A commit may also fold; the next one is in the log alone.
    if (isInLog && now === seen && now !== marked) {
      try {
        writeFileSync(`${path}-mark`, String(now), { mode: 0o600 });
      } catch {
        // What is stored is none the less.
      }
      marked = now;
    }
    seen = now;
  };
}

/** Closes a SQLite file. SQLite folds its log into it and removes the log: the mark goes first, durably. */
export function closeSqlite(db: DatabaseSync, path: string): void {
  try {
    rmSync(`${path}-mark`);
    syncFolder(dirname(path));
  } catch {
    // In memory there is none; and folding what a disk keeps from being removed changes the file's time.
  }
  db.close();
}

const readMark = (path: string): string | null =>
  reading(`${path}-mark`, (mark) => readFileSync(mark, "utf8"));

function readIndex(path: string): Index | null {
  const bytes = Buffer.alloc(INDEX_BYTES);
  const isThere = reading(`${path}-shm`, (file) => readSync(file, bytes, 0, INDEX_BYTES, 0) === INDEX_BYTES);
  if (!isThere) return null;
  const words = new Uint32Array(bytes.buffer, bytes.byteOffset, INDEX_BYTES / 4);
  const word = (at: number) => words[at / 4] as number;
  const header = bytes.subarray(0, 48);
  const [sum0, sum1] = sumOf(header.subarray(0, 40), NO_SUM);
  const isSound = word(0) === INDEX_VERSION && word(40) === sum0 && word(44) === sum1;
  // A log from a machine of the other kind is summed up in the other order of bytes.
  if (!isSound || (bytes[13] === 1) !== IS_BIG_ENDIAN) return null;
  return { header, frames: word(16), folded: word(96), salts: header.subarray(32, 40) };
}

/** How a log compares with its index. */
function compare(log: number, index: Index | null): "whole" | "cut" | "none" {
  const header = Buffer.alloc(HEADER_BYTES);
  readSync(log, header, 0, HEADER_BYTES, 0);
  if (header.every((byte) => byte === 0)) return "none";
  if (index === null || index.frames === 0) return "whole";
  const sum = sumOf(header.subarray(0, 24), NO_SUM);
  const isSound = (header.readUInt32BE(0) & ~1) === MAGIC && isStored(sum, header, 24);
  // What is folded is read from the database, unless SQLite finds older pages in what is left of the log.
  if (!isSound) return index.folded === index.frames ? "whole" : "cut";
  // It has begun anew since, and does so only once it is folded.
  if (!index.salts.equals(header.subarray(16, 24))) return "whole";
  return holdsFrames(log, index, { sum, pageBytes: header.readUInt32BE(8) }) ? "whole" : "cut";
}

/** Whether SQLite will read as many frames as were committed: each is summed up together with those before it. */
function holdsFrames(
  log: number,
  { frames, salts }: Index,
  header: { sum: Sum; pageBytes: number },
): boolean {
  const frameBytes = FRAME_HEADER_BYTES + header.pageBytes;
  const buffer = Buffer.alloc(Math.min(FRAMES_AT_ONCE, frames) * frameBytes);
  let { sum } = header;
  for (let first = 0; first < frames; first += FRAMES_AT_ONCE) {
    const bytes = Math.min(FRAMES_AT_ONCE, frames - first) * frameBytes;
    if (readSync(log, buffer, 0, bytes, HEADER_BYTES + first * frameBytes) < bytes) return false;
    for (let at = 0; at < bytes; at += frameBytes) {
      const frame = buffer.subarray(at, at + frameBytes);
      sum = sumOf(frame.subarray(FRAME_HEADER_BYTES), sumOf(frame.subarray(0, 8), sum));
      if (!salts.equals(frame.subarray(8, 16)) || !isStored(sum, frame, 16)) return false;
    }
  }
  return true;
}

/** The sum of SQLite's log over an even number of words, on top of what came before. */
function sumOf(bytes: Buffer, [before0, before1]: Sum): Sum {
  const words = new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
  let sum0 = before0 | 0;
  let sum1 = before1 | 0;
  for (let n = 0; n < words.length; n += 2) {
    sum0 = (sum0 + (words[n] as number) + sum1) | 0;
    sum1 = (sum1 + (words[n + 1] as number) + sum0) | 0;
  }
  return [sum0 >>> 0, sum1 >>> 0];
}

const isStored = ([sum0, sum1]: Sum, bytes: Buffer, at: number): boolean =>
  bytes.readUInt32BE(at) === sum0 && bytes.readUInt32BE(at + 4) === sum1;

/** What `read` gives, or null where no file has that name. */
function reading<T>(path: string, read: (file: number) => T): T | null {
  try {
    const file = openSync(path, "r");
    try {
      return read(file);
    } finally {
      closeSync(file);
    }
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "EISDIR") return null;
    throw error;
  }
}
