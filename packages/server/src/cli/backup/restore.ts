import { existsSync, mkdirSync, readdirSync, statfsSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { loadConfig } from "../../config.ts";
import { openDataFolder } from "../../kit/data-folder.ts";
import { copyFile, syncFolder } from "../../kit/durable-files.ts";
import { failpoint } from "../../kit/failpoint.ts";
import { dropStaging, keptFolder, newStaging, takeStaged } from "../../kit/restored-folder.ts";
import { StartError } from "../../kit/start-error.ts";
import { counted, createProgress, type Progress, sizeText } from "../progress.ts";
import {
  BLOBS,
  damaged,
  databases,
  MANIFEST,
  type Manifest,
  missingBlobs,
  readManifest,
  SECRETS,
} from "./manifest.ts";

const ROOM_BYTES = 16 * 1024 * 1024;

/**
 * Puts a backup into the data folder, where no server runs on it. Everything is copied and checked
 * first; then it takes its place in one step, and what was there is kept beside it.
 */
export async function restore(options: {
  from: string;
  mayReplace: boolean;
  isJson: boolean;
}): Promise<number> {
  const { config } = loadConfig();
  const from = resolve(options.from);
  const manifest = readManifest(from);
  const bytes = manifest.parts.reduce((sum, part) => sum + part.bytes, 0);
  process.umask(0o077);
  const folder = openDataFolder(config.dataDir);
  const dataDir = folder.path;
  const progress = createProgress(process.stderr.isTTY && !options.isJson);
  try {
    const isFilled = holdsData(dataDir);
    if (isFilled && !options.mayReplace) {
      throw new StartError(
        `The data folder ${dataDir} is not empty; add --replace to put the backup in its place (what is there is kept beside it), or set PARLEY_DATA_DIR to another folder.`,
      );
    }
    requireRoom(dataDir, bytes);
    const name = new Date().toISOString().replaceAll(/[:.]/g, "-");
    try {
      const staging = newStaging(dataDir);
      await copyParts(from, staging, manifest, progress);
      checkParts(from, staging, manifest, progress);
      failpoint("k21");
      takeStaged(dataDir, name);
    } catch (error) {
      dropStaging(dataDir);
      throw error;
    }
    progress.end();
    const kept = isFilled ? keptFolder(dataDir, name) : null;
    if (config.secret === undefined && !manifest.parts.some(({ path }) => path === SECRETS)) {
      process.stderr.write(`parley: The backup has no ${SECRETS}: everybody is signed out (keys go on).\n`);
    }
    tell({ dataDir, kept, bytes, manifest, isJson: options.isJson });
  } finally {
    progress.end();
    folder.release();
  }
  return 0;
}

function holdsData(dataDir: string): boolean {
  const parts = [...databases.map(({ name }) => name), SECRETS];
  const blobs = join(dataDir, BLOBS);
  return (
    parts.some((name) => existsSync(join(dataDir, name))) ||
    (existsSync(blobs) && readdirSync(blobs).length > 0)
  );
}

function requireRoom(dataDir: string, bytes: number): void {
  const { bavail, bsize } = statfsSync(dataDir);
  if (bavail * bsize >= bytes + ROOM_BYTES) return;
  throw new StartError(
    `The disk of ${dataDir} has ${sizeText(bavail * bsize)} left and the backup needs ${sizeText(bytes)}; make room first, nothing was changed.`,
  );
}

/** Copies every part, and compares what was copied with what the manifest says. */
async function copyParts(
  from: string,
  staging: string,
  manifest: Manifest,
  progress: Progress,
): Promise<void> {
  const all = manifest.parts.reduce((sum, part) => sum + part.bytes, 0);
  const folders = new Set([staging, join(staging, BLOBS)]);
  mkdirSync(join(staging, BLOBS), { mode: 0o700 });
  let done = 0;
  for (const part of manifest.parts) {
    const to = join(staging, part.path);
    for (let above = dirname(to); !folders.has(above); above = dirname(above)) {
      mkdirSync(dirname(to), { recursive: true, mode: 0o700 });
      folders.add(above);
    }
    const digest = await copyFile(join(from, part.path), to, (bytes) => {
      done += bytes;
      progress.show("Copying and checking hashes", done / Math.max(1, all));
    }).catch((error) => {
      const { code } = error as NodeJS.ErrnoException;
      if (code === "ENOENT" || code === "ENOTDIR") throw damaged(from, `${part.path} is missing`);
      if (code === "EISDIR") throw damaged(from, `${part.path} is a folder`);
      throw error;
    });
    if (digest.bytes !== part.bytes || digest.sha256 !== part.sha256) {
      throw damaged(from, `${part.path} is not what ${MANIFEST} says`);
    }
    failpoint("k21");
  }
  for (const path of folders) syncFolder(path);
}

/** Looks through the copied databases: no page may be damaged and no promise broken that held when they were copied. */
function checkParts(from: string, staging: string, manifest: Manifest, progress: Progress): void {
  for (const { name, examine } of databases) {
    progress.begin(`Checking ${name}`);
    const found = examine(join(staging, name), { isAtRest: true });
    const missing = missingBlobs(found.blobs, (path) => existsSync(join(staging, path)));
    const worse = [...found.complaints, ...missing].filter(
      (complaint) => !manifest.complaints.includes(complaint),
    );
    if (worse.length > 0) throw damaged(from, `${name} has ${worse.join(", ")}`);
    for (const [what, count] of Object.entries(found.counts)) {
      if (manifest.counts[what] !== count)
        throw damaged(from, `${name} has ${count} ${what}, not ${manifest.counts[what]}`);
    }
  }
}

function tell(done: {
  dataDir: string;
  kept: string | null;
  bytes: number;
  manifest: Manifest;
  isJson: boolean;
}): void {
  const { dataDir, kept, bytes, manifest } = done;
  if (done.isJson) {
    const { parley_version, created_at, counts } = manifest;
    const result = { data_dir: dataDir, replaced: kept, bytes, parley_version, created_at, counts };
    process.stdout.write(`${JSON.stringify(result)}\n`);
    return;
  }
  const { conversations = 0, messages = 0 } = manifest.counts;
  const lines = [
    `Restored ${counted(conversations, "conversations")} and ${counted(messages, "messages")} (${sizeText(bytes)}), as they were at ${manifest.created_at}, to ${dataDir}.`,
    ...(kept === null ? [] : [`What was there is in ${kept}; delete it once you do not need it.`]),
    "`parley start` goes on from here.",
  ];
  process.stdout.write(`${lines.join("\n")}\n`);
}
