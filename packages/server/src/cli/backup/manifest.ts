import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Examined } from "../../kit/sqlite/examine.ts";
import { StartError } from "../../kit/start-error.ts";
import { examineMessages, schemaKnown as messagesSchema } from "../../ports/message-store/examine.ts";
import { schemaKnown as accountsSchema, examineAccounts } from "../../ports/sql/examine.ts";
import { forOneLine } from "../chat/plain-text.ts";
import { version } from "../version.ts";

const FORMAT = "parley-backup";
const FORMAT_VERSION = 1;
export const MANIFEST = "manifest.json";

/**
 * The SQLite files of a data folder, in the order of their backup: messages first, so that everything
 * they refer to is in what is copied after them.
 */
export const databases = [
  { name: "messages.db", schemaKnown: messagesSchema, examine: examineMessages },
  { name: "parley.db", schemaKnown: accountsSchema, examine: examineAccounts },
] as const satisfies readonly {
  name: string;
  schemaKnown: number;
  examine(path: string, options: { isAtRest: boolean }): Examined;
}[];

export const SECRETS = "secrets.json";
export const BLOBS = "blobs";

/** Where a blob lies, below the data folder or a backup. */
export const blobPath = (hash: string): string => `${BLOBS}/${hash.slice(0, 2)}/${hash}`;

/** What to say of blobs that rows refer to and that are not there; nothing where all are. */
export function missingBlobs(hashes: readonly string[], isThere: (path: string) => boolean): string[] {
  const missing = hashes.filter((hash) => !isThere(blobPath(hash))).length;
  return missing === 0 ? [] : [`${missing} missing pictures`];
}

/** One file of a backup. */
export interface Part {
  /** Below the backup's folder, with `/`. */
  path: string;
  bytes: number;
  sha256: string;
  /** Of databases. */
  schema_version?: number;
}

/** What a backup is, as its `manifest.json` says. */
export interface Manifest {
  format: typeof FORMAT;
  format_version: number;
  parley_version: string;
  created_at: string;
  parts: Part[];
  counts: Record<string, number>;
  /** What was wrong with the data when it was copied; empty where all was well. */
  complaints: string[];
}

export const newManifest = (
  found: Pick<Manifest, "created_at" | "parts" | "counts" | "complaints">,
): Manifest => ({
  format: FORMAT,
  format_version: FORMAT_VERSION,
  parley_version: version,
  ...found,
});

/** A blob lies under the hash of its content; its folder also holds drafts, which are nothing yet. */
export const BLOB_PATH = /^blobs\/[0-9a-f]{2}\/([0-9a-f]{64})$/;
const FILES: readonly string[] = [...databases.map(({ name }) => name), SECRETS];

/**
 * Reads the manifest of a backup. Throws a `StartError` where it is none, damaged, or of a newer Parley.
 * A backup may come from anywhere, so nothing of it is believed, and its texts are safe to show.
 */
export function readManifest(folder: string): Manifest {
  const found = parse(folder);
  if (!isRecord(found) || found.format !== FORMAT || !isCount(found.format_version)) throw damaged(folder);
  // Before the shape: a newer format may have another one.
  if (found.format_version > FORMAT_VERSION) throw newer(folder, found.parley_version);
  if (!isManifest(found)) throw damaged(folder);
  for (const { name, schemaKnown } of databases) {
    const part = found.parts.find(({ path }) => path === name);
    if ((part?.schema_version ?? 0) > schemaKnown) throw newer(folder, found.parley_version);
  }
  return {
    ...found,
    parley_version: forOneLine(found.parley_version),
    created_at: new Date(found.created_at).toISOString(),
  };
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;

function isPart(value: unknown): value is Part {
  if (!isRecord(value)) return false;
  const { path, bytes, sha256, schema_version } = value;
  return (
    typeof path === "string" &&
    (FILES.includes(path) || BLOB_PATH.test(path)) &&
    isCount(bytes) &&
    typeof sha256 === "string" &&
    /^[0-9a-f]{64}$/.test(sha256) &&
    (schema_version === undefined || isCount(schema_version))
  );
}

/** Whether every field is what it should be, no file is named twice, and both databases are among them. */
function isManifest(found: Record<string, unknown>): found is Record<string, unknown> & Manifest {
  const { parley_version, created_at, parts, counts, complaints } = found;
  if (typeof parley_version !== "string") return false;
  if (typeof created_at !== "string" || Number.isNaN(Date.parse(created_at))) return false;
  if (!isRecord(counts) || !Object.values(counts).every(isCount)) return false;
  if (!Array.isArray(complaints) || !complaints.every((one) => typeof one === "string")) return false;
  if (!Array.isArray(parts) || !parts.every(isPart)) return false;
  const paths = new Set(parts.map(({ path }) => path));
  return paths.size === parts.length && databases.every(({ name }) => paths.has(name));
}

function parse(folder: string): unknown {
  let text: string;
  try {
    text = readFileSync(join(folder, MANIFEST), "utf8");
  } catch (error) {
    throw new StartError(
      `${folder} is no backup (${(error as NodeJS.ErrnoException).code === "ENOENT" ? `it has no ${MANIFEST}` : (error as Error).message}); name a folder that \`parley backup\` made.`,
    );
  }
  try {
    return JSON.parse(text);
  } catch {
    throw damaged(folder);
  }
}

export const damaged = (folder: string, what = `its ${MANIFEST} cannot be read`): StartError =>
  new StartError(
    `The backup ${folder} is damaged (${forOneLine(what)}); nothing was changed, use another one.`,
  );

function newer(folder: string, theirs: unknown): StartError {
  const named = typeof theirs === "string" ? forOneLine(theirs) : "?";
  return new StartError(
    `The backup ${folder} was made by a newer Parley (${named}, this is ${version}); restore it with that version or a later one.`,
  );
}
