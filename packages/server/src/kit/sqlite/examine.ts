import { DatabaseSync } from "node:sqlite";
import { pathToFileURL } from "node:url";
import { sqliteCode } from "./errors.ts";
import { openToRead } from "./open.ts";

/** Something that never may be in a file: a query that counts it. */
export interface Invariant {
  /** What each thing counted is, in the plural. */
  readonly what: string;
  /** Gives one row with the column `n`. */
  readonly sql: string;
}

/** What a file holds, and what is wrong with it. */
export interface Examined {
  readonly schemaVersion: number;
  readonly counts: Readonly<Record<string, number>>;
  /** A phrase for each thing that is wrong; none where all is well. */
  readonly complaints: readonly string[];
  /** The names of blobs that rows refer to. */
  readonly blobs: readonly string[];
  /** SQLite itself cannot read all of it: the rest was not looked at. */
  readonly isDamaged: boolean;
}

const DAMAGED: ReadonlySet<number> = new Set([11, 26]);

/**
 * Looks through a whole SQLite file: every page, then every invariant. It changes nothing. With
 * `isAtRest` nobody may write the file meanwhile, and nothing is made beside it.
 */
export function examineSqlite(options: {
  path: string;
  isAtRest: boolean;
  /** Schema versions that the queries know; a newer file is only read as far as its version. */
  schemaKnown: number;
  counts: Readonly<Record<string, string>>;
  invariants: readonly Invariant[];
  /** Gives the names of blobs that rows refer to, in the column `hash`. */
  blobs?: string;
}): Examined {
  const { path, isAtRest, schemaKnown } = options;
  let schemaVersion = 0;
  try {
    const db = isAtRest ? openAtRest(path) : openToRead(path);
    try {
      const one = (sql: string) => db.prepare(sql).get() as Record<string, number | string>;
      schemaVersion = Number(one("PRAGMA user_version").user_version);
      const check = one("PRAGMA quick_check(1)").quick_check;
      if (check !== "ok") return damaged(schemaVersion, String(check));
      if (schemaVersion !== schemaKnown)
        return { schemaVersion, counts: {}, complaints: [], blobs: [], isDamaged: false };
      const count = (sql: string) => Number(one(sql).n);
      const counts = Object.fromEntries(
        Object.entries(options.counts).map(([name, sql]) => [name, count(sql)]),
      );
      const complaints = options.invariants.flatMap(({ what, sql }) => {
        const n = count(sql);
        return n === 0 ? [] : [`${n} ${what}`];
      });
      if (db.prepare("PRAGMA foreign_key_check").get()) complaints.push("rows that refer to nothing");
      const blobs =
        options.blobs === undefined
          ? []
          : db
              .prepare(options.blobs)
              .all()
              .map(({ hash }) => String(hash));
      return { schemaVersion, counts, complaints, blobs, isDamaged: false };
    } finally {
      db.close();
    }
  } catch (error) {
    if (!DAMAGED.has(sqliteCode(error) ?? -1)) throw error;
    return damaged(schemaVersion, (error as Error).message);
  }
}

const damaged = (schemaVersion: number, message: string): Examined => ({
  schemaVersion,
  counts: {},
  // The heading only says which database it is.
  complaints: [message.split("\n").find((line) => !line.startsWith("***")) ?? message],
  blobs: [],
  isDamaged: true,
});

function openAtRest(path: string): DatabaseSync {
  const url = pathToFileURL(path);
  url.searchParams.set("immutable", "1");
  return new DatabaseSync(url, { readOnly: true });
}
