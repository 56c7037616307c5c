import type { DatabaseSync } from "node:sqlite";
import { Problem } from "@parley-chat/sdk/contract/problem";
import { storageProblem } from "./errors.ts";
import type { watchPlace } from "./place.ts";

const WAITING_MAX = 10_000;
/** Bounds how long one commit holds the event loop: at some 50 µs a work, about 25 ms. */
const GROUP_MAX = 512;

export interface GroupedWriter {
  /**
   * Runs `work` and resolves with what it returned once that is synced to disk. A work is synchronous,
   * begins and ends no transaction, and can be run again: where a work of the same commit throws, all
   * are rolled back, those before it are run once more and committed without it, and those behind it
   * follow in another commit, so only the guilty one rejects.
   * Works run in the order of the calls. Rejects with `storage_unavailable` where the disk refuses (the
   * next write tries again) or after `close`, and with `overloaded` where 10,000 works wait.
   */
  write<T>(work: () => T): Promise<T>;
  /** Takes no more works, and resolves once those that wait are done. The file stays open. */
  close(): Promise<void>;
}

interface Waiting {
  work(): unknown;
  resolve(value: unknown): void;
  reject(error: unknown): void;
}

/**
 * A queue before the one connection that writes. Everything that arrives in one turn of the event loop
 * shares a commit; no timers, so a lone work waits for nothing but the end of that turn.
 *
 * `beforeCommit` runs inside each transaction behind its works, `onBegin` before them: together they
 * keep what is written once for several works. `onRollback` runs where a transaction was taken back.
 * `place` is asked around each commit. `onOutcome` hears of each commit that stored something: null where
 * it is on disk, else why the disk refused. With `commitEachStep` there are no transactions at all: every
 * statement commits by itself, as in a store that has none.
 */
export function createGroupedWriter(
  db: DatabaseSync,
  options: {
    commitEachStep?: boolean;
    onBegin?: () => void;
    beforeCommit?: () => void;
    place?: ReturnType<typeof watchPlace>;
    onRollback?: () => void;
    onOutcome?: (refusal: Problem | null) => void;
    waitingMax?: number;
  } = {},
): GroupedWriter {
  const {
    onBegin,
    beforeCommit,
    place,
    onRollback,
    onOutcome,
    commitEachStep = false,
    waitingMax = WAITING_MAX,
  } = options;
  let waiting: Waiting[] = [];
  let isScheduled = false;
  let isClosed = false;
  const whenIdle: (() => void)[] = [];
  const totalChanges = db.prepare("SELECT total_changes() AS n");
  const changes = () => (totalChanges.get() as { n: number }).n;

  function write<T>(work: () => T): Promise<T> {
    if (isClosed) return Promise.reject(new Problem("storage_unavailable", "The data store is closed."));
    if (waiting.length >= waitingMax)
      return Promise.reject(new Problem("overloaded", undefined, { retryAfterS: 1 }));
    return new Promise<T>((resolve, reject) => {
      waiting.push({ work, resolve: resolve as (value: unknown) => void, reject });
      schedule();
    });
  }

  function schedule() {
    if (isScheduled) return;
    isScheduled = true;
    setImmediate(flush);
  }

  function flush() {
    isScheduled = false;
    const group = waiting.length > GROUP_MAX ? waiting.splice(0, GROUP_MAX) : waiting;
    if (group === waiting) waiting = [];
    settleAll(group);
    if (waiting.length > 0) schedule();
    else for (const resolve of whenIdle.splice(0)) resolve();
  }

  function settleAll(group: readonly Waiting[]) {
    for (let from = 0; from < group.length; ) {
      from += settle(group.slice(from, commitEachStep ? from + 1 : group.length));
    }
  }

  /**
   * Commits works together and tells each what came of it. Where one throws, those before it are done
   * again without it, and those behind it are left. Returns how many of them are settled.
   */
  function settle(group: readonly Waiting[]): number {
    let done = 0;
    const workAll = () =>
      group.map(({ work }) => {
        const value = work();
        done++;
        return value;
      });
    try {
      const values = commit(workAll);
      for (const [n, { resolve }] of group.entries()) resolve(values[n]);
      return group.length;
    } catch (error) {
      const refusal = storageProblem(error);
      if (refusal) onOutcome?.(refusal);
      const guilty = refusal ? undefined : group[done];
      if (!guilty) {
        for (const { reject } of group) reject(refusal ?? error);
        return group.length;
      }
      settleAll(group.slice(0, done));
      guilty.reject(error);
      return done + 1;
    }
  }

  function commit<T>(work: () => T): T {
    const changesBefore = changes();
    place?.before();
    if (!commitEachStep) db.exec("BEGIN IMMEDIATE");
    try {
      onBegin?.();
      const value = work();
      beforeCommit?.();
      if (!commitEachStep) db.exec("COMMIT");
      place?.behind();
      // A commit of nothing succeeds on a full disk too.
      if (changes() > changesBefore) onOutcome?.(null);
      return value;
    } catch (error) {
      rollBack();
      onRollback?.();
      throw error;
    }
  }

  function rollBack() {
    try {
      // On a full disk and the like SQLite has ended the transaction by itself.
      if (db.isTransaction) db.exec("ROLLBACK");
    } catch {
      // What the caller hears is the first error; the next BEGIN tells whether the file works again.
    }
  }

  return {
    write,
    async close() {
      isClosed = true;
      if (isScheduled) await new Promise<void>((resolve) => void whenIdle.push(resolve));
    },
  };
}
