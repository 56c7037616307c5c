import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, statfsSync, statSync } from "node:fs";
import { dirname, join, relative, resolve, sep } from "node:path";
import { loadConfig } from "../../config.ts";
import {
  copyFile,
  type Digest,
  digestOf,
  makeFolder,
  syncFile,
  syncFolder,
} from "../../kit/durable-files.ts";
import { failpoint } from "../../kit/failpoint.ts";
import { writePrivateFile } from "../../kit/secrets.ts";
import { copySqlite } from "../../kit/sqlite/copy.ts";
import { StartError } from "../../kit/start-error.ts";
import { counted, createProgress, type Progress, sizeText } from "../progress.ts";
import {
  BLOB_PATH,
  BLOBS,
  databases,
  MANIFEST,
  type Manifest,
  missingBlobs,
  newManifest,
  type Part,
  SECRETS,
} from "./manifest.ts";

const DRAFT = /^\.parley-.*\.part$/;
const DRAFT_AGE_MAX_MS = 24 * 3_600_000;
/** Beyond what is copied: for the manifest and what is written meanwhile. */
const ROOM_BYTES = 16 * 1024 * 1024;

/**
 * Copies the data folder as it is now into a new folder below `into`, whether a server runs on it or
 * not. It is made by this process, so that no stream of a running server waits for it.
 */
export async function backup({ into = "backups", isJson }: { into?: string | undefined; isJson: boolean }) {
  const { config } = loadConfig();
  const dataDir = resolve(config.dataDir);
  const folder = resolve(into);
  refuseBadPlaces(dataDir, folder);
  process.umask(0o077);
  const startedAt = new Date();
  const name = `parley-${startedAt
    .toISOString()
    .replaceAll(":", "-")
    .replace(/\.(\d+)Z$/, "-$1Z")}`;
  const draft = join(folder, `.${name}.part`);
  const made = join(folder, name);
  const progress = createProgress(process.stderr.isTTY && !isJson);
  let manifest: Manifest;
  try {
    makeFolder(folder);
    dropOldDrafts(folder);
    mkdirSync(draft, { mode: 0o700 });
    manifest = await fill(draft, dataDir, startedAt, progress);
    renameSync(draft, made);
    syncFolder(folder);
  } catch (error) {
    rmSync(draft, { recursive: true, force: true });
    throw notWritten(folder, error);
  } finally {
    progress.end();
  }
  const bytes = manifest.parts.reduce((sum, part) => sum + part.bytes, 0);
  for (const complaint of manifest.complaints) {
    process.stderr.write(`parley: The data was copied as it is, with ${complaint}; see \`parley doctor\`.\n`);
  }
  if (isJson) process.stdout.write(`${JSON.stringify({ path: made, bytes, ...manifest })}\n`);
  else {
    const { conversations = 0, messages = 0, characters = 0 } = manifest.counts;
    const holds = [
      counted(conversations, "conversations"),
      counted(messages, "messages"),
      counted(characters, "characters"),
    ];
    process.stdout.write(`${made}\n`);
    process.stderr.write(`Backed up ${holds.join(", ")}: ${sizeText(bytes)}, hashes checked.\n`);
  }
  return 0;
}

function refuseBadPlaces(dataDir: string, folder: string): void {
  for (const { name } of databases) {
    if (existsSync(join(dataDir, name))) continue;
    throw new StartError(
      `There is nothing to back up: ${join(dataDir, name)} is not there; go to the folder where you start Parley, or set PARLEY_DATA_DIR.`,
    );
  }
  const way = relative(dataDir, folder);
  if (way === "" || !(way === ".." || way.startsWith(`..${sep}`))) {
    throw new StartError(
      `${folder} lies in the data folder, and would be lost with it; name a folder elsewhere, best on another disk.`,
    );
  }
}

/** What killed backups left behind. */
function dropOldDrafts(folder: string): void {
  for (const name of readdirSync(folder).filter((entry) => DRAFT.test(entry))) {
    const path = join(folder, name);
    const isOld = Date.now() - statSync(path).mtimeMs > DRAFT_AGE_MAX_MS;
    if (isOld) rmSync(path, { recursive: true, force: true });
  }
}

/** Copies everything into the draft, checks it there, and writes the manifest last. */
async function fill(draft: string, dataDir: string, startedAt: Date, progress: Progress): Promise<Manifest> {
  requireRoom(draft, dataDir);
  const parts: Part[] = [];
  const counts: Record<string, number> = {};
  const complaints: string[] = [];
  const blobs = new Map<string, Digest>();
  // Before and after each file that may refer to them: what goes or comes meanwhile is in one of the two.
  await copyBlobs(dataDir, draft, blobs);
  for (const { name, examine } of databases) {
    const to = join(draft, name);
    await copySqlite({
      from: join(dataDir, name),
      to,
      onProgress: (part) => progress.show(`Copying ${name}`, part),
    });
    syncFile(to);
    failpoint("k21");
    progress.begin(`Checking ${name}`);
    const found = examine(to, { isAtRest: true });
    if (found.isDamaged) {
      throw new StartError(
        `${join(dataDir, name)} is damaged (${found.complaints.join(", ")}), so nothing was kept; \`parley restore\` brings the last good backup back.`,
      );
    }
    const size = Math.max(1, statSync(to).size);
    let hashed = 0;
    const digest = await digestOf(to, (bytes) => {
      hashed += bytes;
      progress.show(`Hashing ${name}`, hashed / size);
    });
    parts.push({ path: name, ...digest, schema_version: found.schemaVersion });
    Object.assign(counts, found.counts);
    complaints.push(...found.complaints);
    await copyBlobs(dataDir, draft, blobs);
    complaints.push(...missingBlobs(found.blobs, (path) => blobs.has(path)));
  }
  for (const [path, digest] of blobs) parts.push({ path, ...digest });
  const changed = [...blobs].filter(([path, { sha256 }]) => BLOB_PATH.exec(path)?.[1] !== sha256).length;
  if (changed > 0) complaints.push(`${changed} pictures that are not what their name says`);
  counts.blobs = blobs.size;
  const secrets = join(dataDir, SECRETS);
  if (existsSync(secrets)) parts.push({ path: SECRETS, ...(await copyFile(secrets, join(draft, SECRETS))) });
  failpoint("k21");
  const manifest = newManifest({ created_at: startedAt.toISOString(), parts, counts, complaints });
  writePrivateFile(join(draft, MANIFEST), `${JSON.stringify(manifest, null, 2)}\n`);
  failpoint("k21");
  return manifest;
}

/** Copies the blobs that are not copied yet: they never change, so a copy is as good later. */
async function copyBlobs(dataDir: string, draft: string, copied: Map<string, Digest>): Promise<void> {
  const from = join(dataDir, BLOBS);
  if (!existsSync(from)) return;
  for (const entry of readdirSync(from, { recursive: true, withFileTypes: true })) {
    const path = relative(dataDir, join(entry.parentPath, entry.name)).split(sep).join("/");
    if (!entry.isFile() || !BLOB_PATH.test(path) || copied.has(path)) continue;
    mkdirSync(dirname(join(draft, path)), { recursive: true, mode: 0o700 });
    try {
      copied.set(path, await copyFile(join(dataDir, path), join(draft, path)));
    } catch (error) {
      // Removed meanwhile: what no longer refers to it is copied later.
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
      rmSync(join(draft, path), { force: true });
    }
  }
  const to = join(draft, BLOBS);
  if (!existsSync(to)) return;
  for (const entry of readdirSync(to, { withFileTypes: true })) syncFolder(join(to, entry.name));
  syncFolder(to);
}

function requireRoom(draft: string, dataDir: string): void {
  const { bavail, bsize } = statfsSync(draft);
  const needed = databases.reduce((sum, { name }) => sum + statSync(join(dataDir, name)).size, ROOM_BYTES);
  if (bavail * bsize >= needed) return;
  throw new StartError(
    `The disk of ${dirname(draft)} has ${sizeText(bavail * bsize)} left and the backup needs ${sizeText(needed)}; make room, or name a folder on another disk.`,
  );
}

const REASONS: Record<string, string> = {
  EACCES: "this user may not write there",
  EPERM: "this user may not write there",
  EROFS: "the disk is read-only",
  ENOSPC: "the disk is full",
  EDQUOT: "the disk quota is used up",
  ENOTDIR: "a part of the path is a file",
  EEXIST: "a file has that name",
};

function notWritten(folder: string, error: unknown): unknown {
  const reason = REASONS[(error as NodeJS.ErrnoException).code ?? ""];
  if (reason === undefined) return error;
  return new StartError(`The backup cannot be written to ${folder} (${reason}); nothing was kept there.`, {
    cause: error,
  });
}
