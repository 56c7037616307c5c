import { createHash } from "node:crypto";
import {
  closeSync,
  createReadStream,
  createWriteStream,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  statSync,
} from "node:fs";
import { dirname } from "node:path";
import { Transform } from "node:stream";
import { pipeline } from "node:stream/promises";

/** Puts what was done in a folder (files made, renamed, removed) on disk, so that a power failure keeps it. */
export function syncFolder(path: string): void {
  if (process.platform === "win32") return; // A folder cannot be opened there.
  syncFile(path);
}

/**
 * Makes a folder and those above it where they are missing, for this user alone, so that a power failure
 * keeps them. One at a time, for the recursive call never ends on some file systems.
 */
export function makeFolder(path: string): void {
  if (existsSync(path) && statSync(path).isDirectory()) return;
  const above = dirname(path);
  if (!existsSync(above)) makeFolder(above);
  mkdirSync(path, { mode: 0o700 });
  syncFolder(above);
}

/** Puts a file's bytes on disk. */
export function syncFile(path: string): void {
  const file = openSync(path, "r");
  try {
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

export interface Digest {
  readonly bytes: number;
  /** Hexadecimal. */
  readonly sha256: string;
}

/** The length and hash of a file. */
export async function digestOf(path: string, onBytes?: (bytes: number) => void): Promise<Digest> {
  const hash = createHash("sha256");
  let bytes = 0;
  for await (const chunk of createReadStream(path)) {
    hash.update(chunk as Buffer);
    bytes += (chunk as Buffer).length;
    onBytes?.((chunk as Buffer).length);
  }
  return { bytes, sha256: hash.digest("hex") };
}

/** Copies a file to a new one that only this user reads, syncs it, and resolves with what was copied. */
export async function copyFile(from: string, to: string, onBytes?: (bytes: number) => void): Promise<Digest> {
  const hash = createHash("sha256");
  let bytes = 0;
  const measure = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      hash.update(chunk);
      bytes += chunk.length;
      onBytes?.(chunk.length);
      done(null, chunk);
    },
  });
  await pipeline(createReadStream(from), measure, createWriteStream(to, { flags: "wx", mode: 0o600 }));
  syncFile(to);
  return { bytes, sha256: hash.digest("hex") };
}
