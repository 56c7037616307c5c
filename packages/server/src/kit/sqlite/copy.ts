import { backup } from "node:sqlite";
import { openToRead } from "./open.ts";

/** 4 MiB at a time: often enough to show progress, seldom enough that a step costs nothing. */
const PAGES_PER_STEP = 1_024;

/**
 * Copies a SQLite file as it is at this moment, while other processes read and write it; they are not
 * held up. The copy is made off the event loop, is one file and synced. Resolves with its bytes.
 *
 * A read transaction is held on the source: without it every write of another process would make the
 * copy begin again (https://sqlite.org/c3ref/backup_finish.html), under load for ever.
 */
export async function copySqlite(options: {
  from: string;
  to: string;
  /** Parts of the whole, from 0 to 1. */
  onProgress(part: number): void;
}): Promise<void> {
  const source = openToRead(options.from);
  try {
    source.exec("BEGIN");
    source.prepare("SELECT count(*) FROM sqlite_schema").get();
    await backup(source, options.to, {
      rate: PAGES_PER_STEP,
      progress: ({ totalPages, remainingPages }) =>
        options.onProgress(totalPages === 0 ? 1 : 1 - remainingPages / totalPages),
    });
  } finally {
    source.close();
  }
}
