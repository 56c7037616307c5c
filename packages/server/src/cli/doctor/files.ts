import { existsSync, readdirSync, statfsSync, statSync } from "node:fs";
import { join } from "node:path";
import { FolderInUse, openDataFolder } from "../../kit/data-folder.ts";
import type { Examined } from "../../kit/sqlite/examine.ts";
import { StartError } from "../../kit/start-error.ts";
import { databases, missingBlobs, readManifest, SECRETS } from "../backup/manifest.ts";
import { counted, sizeText } from "../progress.ts";
import { type Finding, fail, ok, warn } from "./finding.ts";

const DAY_MS = 86_400_000;
const BACKUP_AGE_MAX_DAYS = 7;
const ROOM_LOW_BYTES = 1_000_000_000;
const ROOM_MIN_BYTES = 100_000_000;

/** The data folder: there, this user's alone, with room, and free where no server has it. */
export function* examineFolder(dataDir: string, isServed: boolean): Generator<Finding> {
  if (!existsSync(dataDir)) {
    yield warn(
      "data folder",
      `${dataDir} is not there`,
      "`parley start` makes it; if you have data elsewhere, set PARLEY_DATA_DIR",
    );
    return;
  }
  const { mode, uid } = statSync(dataDir);
  const isOurs = process.getuid === undefined || uid === process.getuid();
  if (!isOurs) {
    yield fail(
      "data folder",
      `${dataDir} belongs to another user`,
      "run Parley as that user, or chown the folder",
    );
  } else if (process.platform !== "win32" && (mode & 0o077) !== 0) {
    yield warn("data folder", `${dataDir} is open to other users`, `chmod 700 ${dataDir}`);
  } else yield ok("data folder", dataDir);
  yield examineRoom(dataDir);
  if (!isServed && isOurs) yield examineLock(dataDir);
  const secrets = join(dataDir, SECRETS);
  if (process.platform !== "win32" && existsSync(secrets) && (statSync(secrets).mode & 0o077) !== 0) {
    yield warn("secrets", `${secrets} is open to other users`, `chmod 600 ${secrets}`);
  }
}

function examineRoom(dataDir: string): Finding {
  const { bavail, bsize } = statfsSync(dataDir);
  const free = bavail * bsize;
  const detail = `${sizeText(free)} free`;
  if (free < ROOM_MIN_BYTES)
    return fail("disk", detail, "make room: on a full disk no message can be stored");
  if (free < ROOM_LOW_BYTES) return warn("disk", detail, "make room before it is full");
  return ok("disk", detail);
}

function examineLock(dataDir: string): Finding {
  try {
    openDataFolder(dataDir).release();
    return ok("lock", "no other process has the data folder");
  } catch (error) {
    if (error instanceof FolderInUse) {
      return fail(
        "lock",
        "a process has the data folder and does not answer",
        "end that one: it may hang, or be another command at work",
      );
    }
    if (error instanceof StartError) return fail("lock", error.message, "see the sentence");
    throw error;
  }
}

/** Both databases: every page, the schema, and the promises that can be seen in them. */
export function* examineDatabases(
  dataDir: string,
  isServed: boolean,
  onBegin: (what: string) => void,
): Generator<Finding> {
  for (const { name, schemaKnown, examine } of databases) {
    const path = join(dataDir, name);
    if (!existsSync(path)) {
      if (existsSync(dataDir))
        yield warn(
          name,
          "not there",
          "the next start makes an empty one; a lost one comes back by `parley restore`",
        );
      continue;
    }
    onBegin(`Checking ${name}`);
    let found: Examined;
    try {
      found = examine(path, { isAtRest: false });
    } catch (error) {
      if (!(error instanceof StartError)) throw error;
      yield fail(name, error.message, "mend that first");
      continue;
    }
    const { schemaVersion, counts, isDamaged } = found;
    const complaints = [
      ...found.complaints,
      ...missingBlobs(found.blobs, (blob) => existsSync(join(dataDir, blob))),
    ];
    const holds = Object.entries(counts).map(([what, n]) => counted(n, what));
    if (isDamaged) {
      yield fail(
        name,
        `damaged: ${complaints.join(", ")}`,
        "stop the server and `parley restore` the last good backup with --replace",
      );
    } else if (schemaVersion > schemaKnown) {
      yield fail(
        name,
        `schema ${schemaVersion}, this Parley knows ${schemaKnown}`,
        "install the newer version again, or restore a backup from before it",
      );
    } else if (complaints.length > 0) {
      yield fail(
        name,
        complaints.join(", "),
        "keep a copy of the folder and report this; a backup from before it can be restored",
      );
    } else if (schemaVersion < schemaKnown && !isServed) {
      yield ok(name, `schema ${schemaVersion}; the next start brings it to ${schemaKnown}`);
    } else yield ok(name, [`${sizeText(bytesOf(path))}, whole`, ...holds].join(", "));
  }
}

/** What a database takes on disk, with what is not folded into it yet. */
const bytesOf = (path: string): number =>
  statSync(path).size + (statSync(`${path}-wal`, { throwIfNoEntry: false })?.size ?? 0);

/** How old the newest backup is. */
export function examineBackups(folder: string, nowMs: number): Finding {
  const newest = existsSync(folder)
    ? readdirSync(folder)
        .filter((name) => /^parley-\d{4}-/.test(name))
        .sort()
        .at(-1)
    : undefined;
  const advice = "`parley backup FOLDER` makes one while the server runs; let cron do it daily";
  if (newest === undefined)
    return warn("backup", `none in ${folder}`, `${advice}; \`parley doctor FOLDER\` looks elsewhere`);
  try {
    const { created_at } = readManifest(join(folder, newest));
    const ageDays = Math.floor((nowMs - Date.parse(created_at)) / DAY_MS);
    const detail = `${join(folder, newest)}, ${ageDays < 1 ? "of today" : `${counted(ageDays, "days")} old`}`;
    return ageDays > BACKUP_AGE_MAX_DAYS ? warn("backup", detail, advice) : ok("backup", detail);
  } catch (error) {
    if (!(error instanceof StartError)) throw error;
    return warn("backup", error.message, advice);
  }
}
