import { existsSync, readdirSync, statfsSync, statSync } from "node:fs";
import { join } from "node:path";
import { FolderInUse, openDataFolder } from "../../kit/data-folder.ts";
import { readSecret } from "../../kit/secrets.ts";
import { StartError } from "../../kit/start-error.ts";
import { BLOBS, databases, readManifest, SECRETS } from "../backup/manifest.ts";
import { counted, sizeText } from "../progress.ts";
import { type Finding, fail, ok, warn } from "./finding.ts";

const DAY_MS = 86_400_000;
const BACKUP_AGE_MAX_DAYS = 7;
const ROOM_LOW_BYTES = 1_000_000_000;
const ROOM_MIN_BYTES = 100_000_000;

/** The data folder: there, this user's alone, with room, and free where no server has it. */
export function* examineFolder(
  dataDir: string,
  { isServed, isSecretSet }: { isServed: boolean; isSecretSet: boolean },
): Generator<Finding> {
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
  if (!isSecretSet) yield* examineSecrets(dataDir);
  const blobs = join(dataDir, BLOBS);
  if (existsSync(blobs) && !statSync(blobs).isDirectory()) {
    yield fail("pictures", `${blobs} is no folder`, "move it away: no start works beside it");
  }
}

/** The file that a start reads, read in the same way. */
function* examineSecrets(dataDir: string): Generator<Finding> {
  const path = join(dataDir, SECRETS);
  try {
    if (readSecret(path) === undefined) {
      if (!databases.some(({ name }) => existsSync(join(dataDir, name)))) return;
      yield warn("secrets", `${path} is not there`, "the next start makes one, and everybody is signed out");
    } else if (process.platform !== "win32" && (statSync(path).mode & 0o077) !== 0) {
      yield warn("secrets", `${path} is open to other users`, `chmod 600 ${path}`);
    }
  } catch (error) {
    if (!(error instanceof StartError)) throw error;
    yield fail("secrets", error.message, "no start works until then");
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

/** How old the newest backup is. */
export function examineBackups(folder: string, nowMs: number): Finding {
  const newest = statSync(folder, { throwIfNoEntry: false })?.isDirectory()
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
