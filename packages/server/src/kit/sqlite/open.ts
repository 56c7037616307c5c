import { accessSync, closeSync, constants, openSync, statSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { failpoint } from "../failpoint.ts";
import { StartError } from "../start-error.ts";
import { sqliteCode } from "./errors.ts";
import { refuseCutLog } from "./wal.ts";

export { isUniqueViolation, storageProblem } from "./errors.ts";

/** One step of the schema; runs inside a transaction of its own and must not begin or end one. */
export type Migration = (db: DatabaseSync) => void;

/** Before it, two connections could corrupt a file as its log was reset (https://sqlite.org/releaselog/3_51_3.html). */
const SQLITE_VERSION_MIN = [3, 51, 3] as const;
/** The folder is ours alone, so only a backup or an operator's shell can be in the way; the wait blocks the loop. */
const BUSY_TIMEOUT_MS = 50;
/** 16 MB: few enough to replay at once after a kill, enough that a hot page is not copied with every commit. */
const WAL_PAGES = 4_000;
const WAL_BYTES_KEPT = 32 * 1024 * 1024;
const CACHE_KIB = 16_384;
/** A whole check reads every page, some 20 ms for this much; beyond it a start would grow with the data. */
const QUICK_CHECK_BYTES_MAX = 16 * 1024 * 1024;

const CORRUPT = 11;
const NOT_A_DATABASE = 26;

/**
 * Opens a SQLite file durably (WAL, every commit synced) and brings its schema up to date. A new file
 * is made with mode 0600. With `isReadOnly` nothing is checked, made or migrated.
 *
 * What is checked at each start costs the same whatever the file holds: its header, its length against
 * the header, its schema. All pages are checked only where the last stop was not clean (a log was left)
 * and the file is small; a damaged page of a large one is reported by the read that meets it.
 *
 * Throws a `StartError`: SQLite too old, file newer than this program, damaged, or not to be opened.
 */
export function openSqlite(options: {
  path: string;
  migrations: readonly Migration[];
  isReadOnly?: boolean;
}): DatabaseSync {
  const { path, migrations, isReadOnly = false } = options;
  requireVersion(process.versions.sqlite ?? "of an unknown version");
  try {
    const isClean = isReadOnly || prepareFile(path);
    const db = new DatabaseSync(path, { readOnly: isReadOnly, timeout: BUSY_TIMEOUT_MS });
    try {
      db.exec(`PRAGMA mmap_size = 0; PRAGMA cache_size = -${CACHE_KIB}; PRAGMA temp_store = MEMORY`);
      if (!isReadOnly) {
        prepareToWrite(db);
        check(db, path, isClean);
        migrate(db, path, migrations);
      }
      return db;
    } catch (error) {
      db.close();
      throw error;
    }
  } catch (error) {
    throw startError(path, error);
  }
}

/** Opens a SQLite file to read it, in a process that has it open nowhere else. Throws as `openSqlite` does. */
export function openToRead(path: string): DatabaseSync {
  try {
    refuseCutLog(path);
  } catch (error) {
    throw startError(path, error);
  }
  return openSqlite({ path, migrations: [], isReadOnly: true });
}

function requireVersion(text: string): void {
  const found = text.split(".").map(Number);
  const differsAt = SQLITE_VERSION_MIN.findIndex((wanted, n) => found[n] !== wanted);
  if (differsAt < 0 || (found[differsAt] ?? 0) > (SQLITE_VERSION_MIN[differsAt] as number)) return;
  throw new StartError(
    `This Node brings SQLite ${text}, which can lose data; use a Node whose SQLite is ${SQLITE_VERSION_MIN.join(".")} or newer.`,
  );
}

/**
 * Makes the file where it is missing, for this user alone, and looks whether it and its log are such as to
 * be opened. Returns whether the last stop was clean.
 */
function prepareFile(path: string): boolean {
  if (path === ":memory:") return true;
  if (statSync(`${path}-shm`, { throwIfNoEntry: false })?.isDirectory()) {
    // SQLite opens it, and refuses only what is to be written.
    throw new StartError(
      `${path}-shm is a folder; move it away and start again, and if anything is missing then, \`parley restore BACKUP --replace\` brings a backup back.`,
    );
  }
  // Never opened where it is there: closing any descriptor of a file drops this process's POSIX locks
  // on it, those of another connection included. The log files take their mode from this one.
  const found = statSync(path, { throwIfNoEntry: false });
  if (!found) closeSync(openSync(path, "wx", 0o600));
  else if (found.isDirectory()) {
    throw new StartError(
      `${path} is a folder, not a Parley file; move it away, then \`parley restore BACKUP --replace\` brings a backup back.`,
    );
  }
  // SQLite opens for reading what it may not write, and only the first write would be refused.
  accessSync(path, constants.R_OK | constants.W_OK);
  refuseCutLog(path);
  const wal = statSync(`${path}-wal`, { throwIfNoEntry: false });
  return wal === undefined || wal.size === 0;
}

function prepareToWrite(db: DatabaseSync): void {
  db.exec(`PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    PRAGMA wal_autocheckpoint = ${WAL_PAGES};
    PRAGMA journal_size_limit = ${WAL_BYTES_KEPT};
    PRAGMA secure_delete = ON`);
}

function check(db: DatabaseSync, path: string, isClean: boolean): void {
  // SQLite refuses here what is not its own, what is shorter than its header says, and a broken schema.
  db.prepare("SELECT count(*) FROM sqlite_schema").get();
  const bytes = path === ":memory:" ? 0 : statSync(path).size;
  if (isClean) {
    // It reads what is missing of the last page as zeros.
    const { page_size: pageBytes } = db.prepare("PRAGMA page_size").get() as { page_size: number };
    if (bytes % pageBytes !== 0) throw damaged(path, "cut within a page");
    return;
  }
  if (bytes > QUICK_CHECK_BYTES_MAX) return;
  const found = db.prepare("PRAGMA quick_check(1)").get() as { quick_check: string };
  if (found.quick_check !== "ok") throw damaged(path, found.quick_check);
}

function migrate(db: DatabaseSync, path: string, migrations: readonly Migration[]): void {
  const { user_version: version } = db.prepare("PRAGMA user_version").get() as { user_version: number };
  if (version > migrations.length) {
    throw new StartError(
      `${path} was written by a newer Parley (schema ${version}, this one knows ${migrations.length}); install that version again, or restore a backup from before it.`,
    );
  }
  for (const [n, apply] of migrations.entries()) {
    if (n < version) continue;
    db.exec("BEGIN IMMEDIATE");
    try {
      apply(db);
      failpoint("k20");
      db.exec(`PRAGMA user_version = ${n + 1}`);
      db.exec("COMMIT");
    } catch (error) {
      if (db.isTransaction) db.exec("ROLLBACK");
      throw error;
    }
  }
}

const damaged = (path: string, cause?: unknown) =>
  new StartError(
    `${path} is damaged or not a Parley file; \`parley restore BACKUP --replace\` brings a backup back, or move the file away to begin with an empty one.`,
    { cause },
  );

function startError(path: string, error: unknown): unknown {
  const code = sqliteCode(error);
  if (code === CORRUPT || code === NOT_A_DATABASE) return damaged(path, error);
  const isRefused = code !== null || typeof (error as NodeJS.ErrnoException).syscall === "string";
  if (!isRefused || error instanceof StartError) return error;
  return new StartError(
    `${path} cannot be opened (${(error as Error).message}); check that its folder exists, has room, and that this user may write there.`,
    { cause: error },
  );
}
