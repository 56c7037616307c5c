import { mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, expect, test } from "vitest";
import { armFailpoints } from "../failpoint.ts";
import { StartError } from "../start-error.ts";
import { isUniqueViolation, type Migration, openSqlite, storageProblem } from "./open.ts";

let folder: string;
let path: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "parley-sqlite-"));
  path = join(folder, "a.db");
});
afterEach(() => {
  armFailpoints(() => {});
  rmSync(folder, { recursive: true, force: true });
});

const first: Migration = (db) => db.exec("CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT UNIQUE)");
const second: Migration = (db) => db.exec("ALTER TABLE t ADD COLUMN c TEXT");
const open = (migrations: Migration[] = [first]) => openSqlite({ path, migrations });
const pragma = (db: DatabaseSync, name: string) =>
  Object.values(db.prepare(`PRAGMA ${name}`).get() as Record<string, unknown>)[0];
const refusal = (run: () => unknown): Error => {
  try {
    run();
  } catch (error) {
    expect(error).toBeInstanceOf(StartError);
    return error as Error;
  }
  throw new Error("was not refused");
};

test("a file is opened durably: WAL, synced commits, no memory map, for this user alone", () => {
  const db = open();
  expect(pragma(db, "journal_mode")).toBe("wal");
  expect(pragma(db, "synchronous")).toBe(2);
  expect(pragma(db, "mmap_size")).toBe(0);
  expect(pragma(db, "foreign_keys")).toBe(1);
  for (const name of [path, `${path}-wal`, `${path}-shm`]) expect(statSync(name).mode & 0o777).toBe(0o600);
  db.close();
});

test("migrations run once and in order, also on a file that has some of them", () => {
  open([first]).close();
  const db = open([first, second]);
  db.exec("INSERT INTO t VALUES (1, 'b', 'c')");
  db.close();
  const again = open([first, second]);
  expect(again.prepare("SELECT c FROM t").get()).toEqual({ c: "c" });
  expect(pragma(again, "user_version")).toBe(2);
  again.close();
});

test("a migration that is cut short leaves the old schema, and the next start does it again (k20)", () => {
  open([first]).close();
  armFailpoints((name) => {
    if (name === "k20") throw new Error("cut");
  });
  expect(() => open([first, second])).toThrow("cut");
  armFailpoints(() => {});
  const old = open([first]);
  expect(pragma(old, "user_version")).toBe(1);
  expect(() => old.prepare("SELECT c FROM t")).toThrow();
  old.close();
  open([first, second]).close();
});

test("a file of a newer version is refused by one sentence that says what to do", () => {
  open([first, second]).close();
  expect(refusal(() => open([first])).message).toMatch(/newer Parley.*install that version again/);
});

test("what is not a database, is cut short or has a broken schema is refused by one sentence", () => {
  writeFileSync(path, "not a database, but long enough to have a header ".repeat(100));
  expect(refusal(() => open()).message).toMatch(/damaged.*parley restore BACKUP/);
  rmSync(path);

  const db = open();
  db.exec(`INSERT INTO t VALUES (1, '${"x".repeat(100_000)}')`);
  db.close();
  const whole = readFileSync(path);
  truncateSync(path, 8_192);
  expect(refusal(() => open()).message).toContain("damaged");
  writeFileSync(path, whole.fill(0xff, 150, 4_096));
  expect(refusal(() => open()).message).toContain("damaged");
});

test("after a stop that was not clean a small file is checked page by page", () => {
  const db = open();
  db.exec("BEGIN");
  for (let n = 0; n < 2_000; n++) db.prepare("INSERT INTO t VALUES (?, ?)").run(n, `text ${n}`);
  db.exec("COMMIT");
  db.close();
  const bytes = readFileSync(path);
  // A page in the middle loses what it holds; nothing that a clean start reads.
  writeFileSync(path, bytes.fill(0xee, 6 * 4_096, 7 * 4_096));
  open().close();
  writeFileSync(`${path}-wal`, "what a kill left");
  expect(refusal(() => open()).message).toContain("damaged");
});

test("a folder that is not there is named in one sentence", () => {
  const missing = join(folder, "missing", "a.db");
  const message = refusal(() => openSqlite({ path: missing, migrations: [] })).message;
  expect(message).toContain(missing);
  expect(message).toContain("check that its folder exists");
});

test("a second connection of the same process leaves the first one's locks alone", () => {
  const db = open();
  db.exec("INSERT INTO t VALUES (1, 'a')");
  open().close();
  db.exec("INSERT INTO t VALUES (2, 'b')");
  const reader = openSqlite({ path, migrations: [], isReadOnly: true });
  expect(reader.prepare("SELECT count(*) AS n FROM t").get()).toEqual({ n: 2 });
  expect(() => reader.exec("INSERT INTO t VALUES (3, 'c')")).toThrow();
  reader.close();
  db.close();
});

test("errors tell a full or refused disk from a unique violation and from a mistake", () => {
  const db = open();
  const failure = (sql: string): unknown => {
    try {
      db.exec(sql);
    } catch (error) {
      return error;
    }
    return undefined;
  };
  db.exec("INSERT INTO t VALUES (1, 'a')");
  const unique = failure("INSERT INTO t VALUES (2, 'a')");
  expect(isUniqueViolation(unique)).toEqual(["t.b"]);
  expect(storageProblem(unique)).toBeNull();
  const mistake = failure("INSERT INTO nowhere VALUES (1)");
  expect(isUniqueViolation(mistake)).toBeNull();
  expect(storageProblem(mistake)).toBeNull();
  db.exec("PRAGMA max_page_count = 4");
  const full = failure(`INSERT INTO t VALUES (3, '${"x".repeat(100_000)}')`);
  expect(storageProblem(full)).toMatchObject({ code: "storage_unavailable", retryAfterS: 1 });
  expect(storageProblem(Object.assign(new Error("x"), { code: "ENOSPC" }))?.code).toBe("storage_unavailable");
  db.close();
});
