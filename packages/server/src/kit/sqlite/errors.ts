import { Problem } from "@parley-chat/sdk/contract/problem";

/** Primary result codes of SQLite (https://sqlite.org/rescode.html) that mean: this cannot be stored now. */
const REFUSALS: Record<number, string> = {
  5: "another program holds its file",
  6: "another program holds its file",
  7: "the memory is full",
  8: "its file may only be read",
  10: "the disk reports an error",
  11: "its file is damaged",
  13: "the disk is full",
  14: "its file cannot be opened",
  15: "its file is locked",
  26: "its file is damaged",
};

/** Those among them that no waiting mends. */
const DAMAGE = [11, 26];

/** The same from the system below, as faults and file calls report it. */
const SYSTEM_REFUSALS: Record<string, string> = {
  ENOSPC: "the disk is full",
  EDQUOT: "the disk quota is used up",
  EROFS: "the disk is read-only",
  EFBIG: "files may not grow any more",
  EIO: "the disk reports an error",
};

/** The primary SQLite result code of an error, or null where it is not SQLite's. */
export function sqliteCode(error: unknown): number | null {
  const code = (error as { errcode?: unknown } | null)?.errcode;
  return typeof code === "number" ? code & 0xff : null;
}

/**
 * `storage_unavailable` where the error says that this cannot be stored, else null. It says after how long
 * to try again, except where the file is damaged.
 */
export function storageProblem(error: unknown): Problem | null {
  if (error instanceof Problem) return error.code === "storage_unavailable" ? error : null;
  const code = sqliteCode(error) ?? -1;
  const systemCode = (error as { code?: unknown } | null)?.code;
  const reason = REFUSALS[code] ?? (typeof systemCode === "string" ? SYSTEM_REFUSALS[systemCode] : undefined);
  if (reason === undefined) return null;
  if (DAMAGE.includes(code)) {
    const lasting = `This cannot be stored: ${reason}. Whoever runs this server has to restore a backup.`;
    return new Problem("storage_unavailable", lasting, { cause: error });
  }
  const detail = `Nothing can be stored just now: ${reason}. Try again in a moment.`;
  return new Problem("storage_unavailable", detail, { retryAfterS: 1, cause: error });
}

const SQLITE_CONSTRAINT = 19;

/** The columns (`table.column`) of a unique constraint that an error says was violated, else null. */
export function isUniqueViolation(error: unknown): string[] | null {
  if (sqliteCode(error) !== SQLITE_CONSTRAINT) return null;
  const columns = /UNIQUE constraint failed: (.*)$/.exec((error as Error).message)?.[1];
  return columns?.split(", ") ?? null;
}
