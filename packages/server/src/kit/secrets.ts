import { hash, timingSafeEqual } from "node:crypto";
import { chmodSync, closeSync, fsyncSync, openSync, readFileSync, renameSync, writeSync } from "node:fs";
import { dirname, join } from "node:path";
import { syncFolder } from "./durable-files.ts";
import { StartError } from "./start-error.ts";

const SECRET_BYTES = 32;

export interface Secrets {
  /** What every token rests on: 32 bytes or more, the same for the life of the data. */
  readonly root: Uint8Array;
  /** Proves to the running server that a caller may read the data folder; new at every start. */
  readonly control: string;
}

/**
 * The secrets of this server: the configured one, else what `secrets.json` in the data folder holds,
 * made (mode 0600, synced) where it is missing. Throws a `StartError` where that file is damaged or cannot
 * be written.
 */
export function openSecrets(uses: {
  dataDir: string;
  configured: string | undefined;
  random(bytes: number): Uint8Array;
}): Secrets {
  const control = Buffer.from(uses.random(SECRET_BYTES)).toString("base64url");
  if (uses.configured !== undefined) return { root: Buffer.from(uses.configured), control };
  const path = join(uses.dataDir, "secrets.json");
  const found = readSecret(path);
  if (found !== undefined) chmodSync(path, 0o600);
  return { root: found ?? makeSecret(path, uses.random(SECRET_BYTES)), control };
}

/** The secret that a file holds; undefined where there is none. Throws a `StartError` where it is damaged. */
export function readSecret(path: string): Uint8Array | undefined {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw new StartError(`${path} cannot be read (${(error as Error).message}).`);
  }
  const found = /"secret":\s*"([A-Za-z0-9_-]{43,})"/.exec(text)?.[1];
  if (found === undefined) {
    throw new StartError(
      `${path} is damaged; copy it from a backup, or delete it, which signs everyone out (keys go on).`,
    );
  }
  return Buffer.from(found, "base64url");
}

function makeSecret(path: string, secret: Uint8Array): Uint8Array {
  const text = Buffer.from(secret).toString("base64url");
  writeNeededFile(path, { secret: text });
  return secret;
}

/** Writes a file that only this user reads, whole or not at all, also over a power failure. */
export function writePrivateFile(path: string, text: string): void {
  const draft = `${path}.new`;
  const file = openSync(draft, "w", 0o600);
  try {
    writeSync(file, text);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  renameSync(draft, path);
  syncFolder(dirname(path));
}

/** The same, where a start cannot go on without the file: throws a `StartError`. */
export function writeNeededFile(path: string, value: unknown): void {
  try {
    writePrivateFile(path, `${JSON.stringify(value, null, 2)}\n`);
  } catch (error) {
    const { message } = error as Error;
    throw new StartError(`${path} cannot be written (${message}); make room, or let this user write there.`, {
      cause: error,
    });
  }
}

/** Says whether a caller knows the control secret, in constant time. */
export function createControl({ secret }: { secret: string }): {
  allows(given: string | undefined): boolean;
} {
  const expected = hash("sha256", secret, "buffer");
  return {
    allows: (given) => given !== undefined && timingSafeEqual(hash("sha256", given, "buffer"), expected),
  };
}
