import { statSync } from "node:fs";
import { dirname, join } from "node:path";
import { Problem } from "@parley-chat/sdk/contract/problem";

/** In each data folder: whoever has this file locked has the folder. */
export const LOCK_FILE = "lock.db";

/**
 * Gives a check that throws `storage_unavailable` where an open file or its log no longer lies at its
 * path: the folder was moved, removed or mounted over. The system goes on writing to what has no name
 * any more, and SQLite does not look in WAL mode, so a commit would succeed and be lost. It costs some
 * microseconds; before a commit it keeps the write back, behind it what was written in vain.
 *
 * The same where the folder's lock was removed: another server can have taken the folder since.
 */
export function watchPlace(path: string): { before(): void; behind(): void } {
  const file = identityOf(path);
  const log = identityOf(`${path}-wal`);
  const lockPath = join(dirname(path), LOCK_FILE);
  const lock = identityOf(lockPath);
  // In memory, for tests.
  if (file === null || log === null) return { before() {}, behind() {} };
  const check = (name: string, known: string) => {
    if (identityOf(name) !== known) throw gone(name);
  };
  return {
    before() {
      check(`${path}-wal`, log);
      if (lock !== null) check(lockPath, lock);
    },
    behind() {
      check(path, file);
      check(`${path}-wal`, log);
    },
  };
}

function identityOf(path: string): string | null {
  try {
    const { dev, ino } = statSync(path);
    return `${dev}:${ino}`;
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
