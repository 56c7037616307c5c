import type { DatabaseSync } from "node:sqlite";
import { Problem } from "@parley-chat/sdk/contract/problem";
import type { CompiledQuery, Kysely } from "kysely";
import { isUniqueViolation, openSqlite, storageProblem } from "../../kit/sqlite/open.ts";
import { watchPlace } from "../../kit/sqlite/place.ts";
import { closeSqlite } from "../../kit/sqlite/wal.ts";
import { createRunner, kyselyOver, type Run } from "./kysely-sqlite.ts";
import { migrations } from "./migrations.ts";
import { type Sql, UniqueViolation } from "./sql.ts";
import type { Tables } from "./tables.ts";

const WAITING_MAX = 10_000;
/** Bounds how long one commit holds the event loop. */
const GROUP_MAX = 512;

interface Write {
  work(tx: Kysely<Tables>): Promise<unknown>;
  /** Tells the caller; only called once the outcome is on the disk. */
  settle(outcome: Outcome): void;
}

interface Writer {
  db: DatabaseSync;
  run: Run;
  place: ReturnType<typeof watchPlace>;
}

type Outcome = { readonly value: unknown } | { readonly error: unknown };

/**
 * The relational store in one SQLite file: one connection that writes, one that reads. Works that
 * arrive in one turn of the event loop share a transaction, each inside a savepoint of its own, so the
 * disk is synced once for all of them and a failed one leaves nothing.
 */
export function createSqliteSql({ path }: { path: string }): Sql {
  const writer = openSqlite({
    path,
    migrations: migrations.map((statements) => (db) => {
      for (const statement of statements) db.exec(statement);
    }),
  });
  const reader = openSqlite({ path, migrations: [], isReadOnly: true });
  const place = watchPlace(path);
  const runOnWriter = translateErrors(createRunner(writer));
  const read = kyselyOver<Tables>(translateErrors(createRunner(reader)));
  const waiting: Write[] = [];
  let isScheduled = false;
  let closing: Promise<void> | undefined;

  function write<T>(work: (tx: Kysely<Tables>) => Promise<T>): Promise<T> {
    if (closing) return Promise.reject(new Problem("storage_unavailable", "The data store is closed."));
    if (waiting.length >= WAITING_MAX)
      return Promise.reject(new Problem("overloaded", undefined, { retryAfterS: 1 }));
    return new Promise<T>((resolve, reject) => {
      const settle = (outcome: Outcome) =>
        "error" in outcome ? reject(outcome.error) : resolve(outcome.value as T);
      waiting.push({ work, settle });
      schedule();
    });
  }

  function schedule() {
    if (isScheduled) return;
    isScheduled = true;
    setImmediate(() => void drain());
  }

  /** One group; the next waits for the event loop to turn, so that everything else gets its time too. */
  async function drain() {
    await runGroup({ db: writer, run: runOnWriter, place }, waiting.splice(0, GROUP_MAX));
    isScheduled = false;
    if (waiting.length > 0) schedule();
  }

  async function close() {
    while (isScheduled) await new Promise((resolve) => setImmediate(resolve));
    // The writer last: whoever closes last folds the WAL into the file, and a reader cannot.
    reader.close();
    closeSqlite(writer, path);
  }

  return {
    name: "sqlite",
    read,
    write,
    probe: () =>
      write(async (tx) => {
        await tx.replaceInto("probes").values({ id: 1 }).execute();
      }),
    close: () => {
      closing ??= close();
      return closing;
    },
  };
}

/** Runs works one after another in one transaction, commits, then tells every caller. Never rejects. */
async function runGroup(writer: Writer, group: readonly Write[]) {
  const { db, run, place } = writer;
  let outcomes: Outcome[];
  try {
    place.before();
    db.exec("begin immediate");
    outcomes = [];
    for (const { work } of group) outcomes.push(await runOne(db, run, work));
    db.exec("commit");
    place.behind();
  } catch (error) {
    rollBack(db);
    const problem = storageProblem(error) ?? error;
    outcomes = group.map(() => ({ error: problem }));
  }
  for (const [n, { settle }] of group.entries()) settle(outcomes[n] as Outcome);
}

/** Throws only where the whole transaction is lost. */
async function runOne(db: DatabaseSync, run: Run, work: Write["work"]): Promise<Outcome> {
  let isOpen = true;
  const runWhileOpen: Run = (query) => {
    if (!isOpen) throw new Error("this transaction is over: a work must await all of its queries");
    return run(query);
  };
  db.exec("savepoint work");
  try {
    const value = await withinThisTurn(work(kyselyOver<Tables>(runWhileOpen)));
    db.exec("release work");
    return { value };
  } catch (error) {
    // SQLite ends the whole transaction by itself on a full disk and the like.
    if (!db.isTransaction) throw error;
    db.exec("rollback to work");
    db.exec("release work");
    return { error };
  } finally {
    isOpen = false;
  }
}

/**
 * Queries here answer at once, so a work that waits for nothing else is done before the event loop
 * turns. One that is not would hold up every other writer, perhaps for ever.
 */
function withinThisTurn<T>(working: Promise<T>): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const late = setImmediate(() => reject(new Error("a write must wait for nothing but its own queries")));
    working.then(resolve, reject).finally(() => clearImmediate(late));
  });
}

function rollBack(db: DatabaseSync) {
  try {
    if (db.isTransaction) db.exec("rollback");
  } catch {
    // The transaction is gone already; its callers hear of the first error.
  }
}

const translateErrors =
  (run: Run): Run =>
  <R>(query: CompiledQuery) => {
    try {
      return run<R>(query);
    } catch (error) {
      const columns = isUniqueViolation(error);
      if (columns) throw new UniqueViolation(columns, error);
      throw storageProblem(error) ?? error;
    }
  };
