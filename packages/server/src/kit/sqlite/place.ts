import { type Stats, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { Problem } from "@parley-chat/sdk/contract/problem";
import { createMark } from "./wal.ts";

/** In each data folder: whoever has this file locked has the folder. */
export const LOCK_FILE = "lock.db";

/**
 * Gives a check that throws `storage_unavailable` where an open file or its log no longer lies at its
 * path: the folder was moved, removed or mounted over. The system goes on writing to what has no name
 * any more, and SQLite does not look in WAL mode, so a commit would succeed and be lost. It costs some
 * microseconds; before a commit it keeps the write back, behind it what was written in vain.
 *
 * The same where the folder's lock was removed: another server can have taken the folder since.
 *
 * As it looks at the file behind each commit, it also keeps the file's mark; see `refuseCutLog`.
 */
export function watchPlace(path: string): { before(): void; behind(): void } {
  const file = statsOf(path);
  const log = statsOf(`${path}-wal`);
  const lockPath = join(dirname(path), LOCK_FILE);
  const lock = statsOf(lockPath);
  // In memory, for tests.
  if (file === null || log === null) return { before() {}, behind() {} };
  const mark = createMark(path, file.mtimeMs);
  let logBefore = log;
  const check = (name: string, known: Stats): Stats => {
    const found = statsOf(name);
    if (found?.ino !== known.ino || found.dev !== known.dev) throw gone(name);
    return found;
  };
  return {
    before() {
      logBefore = check(`${path}-wal`, log);
      if (lock !== null) check(lockPath, lock);
    },
    behind() {
      const { mtimeMs } = check(path, file);
      const logNow = check(`${path}-wal`, log);
      mark(mtimeMs, logNow.mtimeMs !== logBefore.mtimeMs || logNow.size !== logBefore.size);
    },
  };
}

function statsOf(path: string): Stats | null {
  try {
    return statSync(path);
  } catch {
    return null;
  }
}

const gone = (name: string) =>
  new Problem(
    "storage_unavailable",
    "Nothing can be stored just now: the data folder is not where it was. Try again in a moment.",
    { retryAfterS: 1, cause: new Error(`${name} is gone, or is another file`) },
  );
