import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, expect, test } from "vitest";
import { StartError } from "../start-error.ts";
import { openSqlite } from "./open.ts";
import { watchPlace } from "./place.ts";
import { closeSqlite, refuseCutLog } from "./wal.ts";

const PARTS = ["", "-wal", "-shm", "-mark"];
const FRAME_BYTES = 4_096 + 24;
const migrations = [
  (db: DatabaseSync) => db.exec("CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT NOT NULL)"),
];

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "parley-log-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const partsOf = (path: string) => PARTS.map((part) => contentOf(path + part));
const contentOf = (path: string): Buffer | null => (existsSync(path) ? readFileSync(path) : null);

/** Waits until what is written has a later time than this file: many systems tell it by some milliseconds alone. */
function passTime(path: string): void {
  const probe = join(folder, "probe");
  do writeFileSync(probe, "now");
  while (statSync(probe).mtimeMs <= statSync(path).mtimeMs);
}

let copies = 0;
/** What a kill at this moment leaves; a power cut may leave an older index and an older mark. */
function killed(
  path: string,
  { index = contentOf(`${path}-shm`), mark = contentOf(`${path}-mark`) } = {},
): string {
  const to = join(folder, `copy-${copies++}`);
  mkdirSync(to);
  const copy = join(to, "a.db");
  for (const part of ["", "-wal"]) if (existsSync(path + part)) cpSync(path + part, copy + part);
  if (index) writeFileSync(`${copy}-shm`, index);
  // A copy has another time than its original, and a mark that names the one is to name the other.
  const isOfNow = mark?.toString() === String(statSync(path).mtimeMs);
  if (mark) writeFileSync(`${copy}-mark`, isOfNow ? String(statSync(copy).mtimeMs) : mark);
  if (existsSync(copy)) passTime(copy);
  return copy;
}

function refusal(path: string): string | null {
  try {
    refuseCutLog(path);
    return null;
  } catch (error) {
    expect(error).toBeInstanceOf(StartError);
    return (error as Error).message;
  }
}

/** What SQLite finds in a copy, which nobody needs on disk. */
function notesIn(path: string): number {
  const db = new DatabaseSync(path);
  db.exec("PRAGMA synchronous = OFF");
  const { n } = db.prepare("SELECT count(*) AS n FROM notes").get() as { n: number };
  db.close();
  return n;
}

function withNotes(count: number) {
  const path = join(folder, "a.db");
  const db = openSqlite({ path, migrations });
  passTime(path);
  const insert = db.prepare("INSERT INTO notes (text) VALUES (?)");
  const place = watchPlace(path);
  const add = (bytes = 900) => {
    if (db.isTransaction) insert.run("x".repeat(bytes));
    else {
      place.before();
      insert.run("x".repeat(bytes));
      place.behind();
    }
  };
  for (let n = 0; n < count; n++) add();
  return { path, db, place, add };
}

test("a log that was damaged anywhere, cut or removed behind a kill is refused, and nothing is changed", () => {
  const { path, db } = withNotes(30);
  const log = readFileSync(`${path}-wal`);
  const frames = (log.length - 32) / FRAME_BYTES;
  const befall: [string, Buffer | null][] = [
    ["gone", null],
    ["empty", Buffer.alloc(0)],
    ["zeros", Buffer.alloc(log.length)],
    ["half garbage", Buffer.from(log).fill(0xa5, Math.floor(log.length / 2))],
    ["all garbage", Buffer.alloc(log.length, 0xa5)],
  ];
  for (let frame = 0; frame < frames; frame++) {
    const at = 32 + frame * FRAME_BYTES;
    befall.push([`cut behind frame ${frame}`, log.subarray(0, at)]);
    for (const within of [0, 4, 8, 12, 16, 23, 24, 24 + ((frame * 397) % 4_096), FRAME_BYTES - 1]) {
      const harmed = Buffer.from(log);
      harmed.writeUInt8((log.readUInt8(at + within) ^ (1 << (frame % 8))) & 0xff, at + within);
      befall.push([`a bit of byte ${within} of frame ${frame}`, harmed]);
    }
  }
  for (let at = 0; at < 32; at++) {
    const harmed = Buffer.from(log);
    harmed.writeUInt8(log.readUInt8(at) ^ 1, at);
    befall.push([`a bit of byte ${at} of the header`, harmed]);
  }
  const copy = killed(path);
  const [file, , index, mark] = partsOf(copy);
  for (const [what, bytes] of befall) {
    if (bytes) writeFileSync(`${copy}-wal`, bytes);
    else rmSync(`${copy}-wal`);
    expect(refusal(copy), what).toMatch(/^\S+a\.db-wal is damaged or gone.*parley restore BACKUP.*a\.db-shm/);
    expect(bytes === null || readFileSync(`${copy}-wal`).equals(bytes)).toBe(true);
  }
  expect(() => openSqlite({ path: copy, migrations })).toThrow(StartError);
  expect(partsOf(copy)).toEqual([file, befall.at(-1)?.[1], index, mark]);
  writeFileSync(`${copy}-wal`, log);
  expect([refusal(copy), notesIn(copy)]).toEqual([null, 30]);
  db.close();
});

test("a log that is gone is missed even where its index went with it, and not where it was folded", () => {
  const { path, db, place, add } = withNotes(0);
  const lost = (isFolded: boolean) => {
    const copy = killed(path);
    for (const part of ["-wal", "-shm"]) rmSync(copy + part);
    expect(refusal(copy) === null).toBe(isFolded);
    return copy;
  };
  for (let n = 1; n <= 3; n++) {
    passTime(`${path}-wal`);
    add();
    lost(false);
    add();
    lost(false);
    passTime(path);
    db.exec("PRAGMA wal_checkpoint(PASSIVE)");
    place.behind();
    expect(notesIn(lost(true))).toBe(2 * n);
  }
  db.close();
});

test("a commit of nothing makes no mark: its log is empty, and may be gone", () => {
  const { path, db } = withNotes(3);
  closeSqlite(db, path);
  const again = openSqlite({ path, migrations });
  const place = watchPlace(path);
  for (let n = 0; n < 3; n++) {
    place.before();
    again.exec("BEGIN IMMEDIATE; DELETE FROM notes WHERE id < 0; COMMIT");
    place.behind();
  }
  expect(existsSync(`${path}-mark`)).toBe(false);
  for (const part of ["", "-wal", "-shm"]) {
    const copy = killed(path);
    rmSync(copy + part);
    expect(refusal(copy)).toBeNull();
  }
  again.close();
});

test("who moves the damaged log and what lies beside it away goes on with what the database holds", () => {
  const { path, db, add } = withNotes(10);
  db.exec("PRAGMA wal_checkpoint(PASSIVE)");
  for (let n = 0; n < 5; n++) add();
  const copy = killed(path);
  truncateSync(`${copy}-wal`, 2 * FRAME_BYTES);
  expect(refusal(copy)).not.toBeNull();
  for (const part of ["-wal", "-shm", "-mark"]) rmSync(copy + part);
  expect([refusal(copy), notesIn(copy)]).toEqual([null, 10]);
  db.close();
});

test("a log that is folded may be gone, but not be damaged: SQLite would read old pages from it", () => {
  const { path, db } = withNotes(30);
  db.exec("PRAGMA wal_checkpoint(PASSIVE)");
  const gone = killed(path);
  rmSync(`${gone}-wal`);
  expect([refusal(gone), notesIn(gone)]).toEqual([null, 30]);
  const harmed = killed(path);
  truncateSync(`${harmed}-wal`, statSync(`${harmed}-wal`).size / 2);
  expect(refusal(harmed)).toMatch(/damaged or gone/);
  db.close();
});

test("nothing is asked of a database that is not there, of a stopped one, or of what is not known", () => {
  const { path, db } = withNotes(10);
  const moved = killed(path);
  for (const part of ["", "-wal"]) rmSync(moved + part);
  expect(refusal(moved)).toBeNull();
  for (const index of [Buffer.alloc(0), Buffer.alloc(32_768), Buffer.alloc(32_768, 0xa5)]) {
    const unknown = killed(path, { index });
    truncateSync(`${unknown}-wal`, 5_000);
    expect(refusal(unknown)).toBeNull();
    rmSync(`${unknown}-wal`);
    writeFileSync(`${unknown}-mark`, "1764166825.5");
    expect(refusal(unknown)).toBeNull();
  }
  closeSqlite(db, path);
  expect(readdirSync(folder).filter((name) => name.startsWith("a.db"))).toEqual(["a.db"]);
  expect([refusal(path), notesIn(path)]).toEqual([null, 10]);
});

/** A number below `limit` from a repeatable row of them. */
const row = (seed: number) => {
  let state = seed;
  return (limit: number) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return (state >>> 8) % limit;
  };
};

test("whatever a database went through, no kill and no power cut leaves what is refused", () => {
  for (let seed = 1; seed <= 5; seed++) {
    const next = row(seed);
    const { path, db, place, add } = withNotes(0);
    // Small, so that the log begins anew many times and pages spill into it before their commit.
    db.exec("PRAGMA wal_autocheckpoint = 20; PRAGMA cache_size = 10; PRAGMA synchronous = OFF");
    const reader = openSqlite({ path, migrations: [], isReadOnly: true });
    const shell = new DatabaseSync(path);
    shell.exec("PRAGMA synchronous = OFF");
    const older: { index: Buffer | null; mark: Buffer | null }[] = [];
    let kept = 0;
    const inGroup = (works: number, end: "COMMIT" | "ROLLBACK", within: () => void) => {
      place.before();
      db.exec("BEGIN IMMEDIATE");
      for (let n = 0; n < works; n++) add(200 + next(6_000));
      within();
      db.exec(end);
      if (end === "ROLLBACK") return;
      // Before the mark is looked after.
      kept += works;
      expectKept();
      place.behind();
    };
    const expectKept = (left = {}) => {
      const copy = killed(path, left);
      expect([seed, refusal(copy)]).toEqual([seed, null]);
      expect([seed, notesIn(copy)]).toEqual([seed, kept]);
      // Another program has folded it now, and removed the log.
      expect([seed, existsSync(`${copy}-wal`), refusal(copy)]).toEqual([seed, false, null]);
      rmSync(join(copy, ".."), { recursive: true });
    };
    for (let step = 0; step < 50; step++) {
      passTime(path);
      const kind = next(10);
      if (kind < 5) inGroup(1 + next(3), "COMMIT", () => {});
      else if (kind === 5) inGroup(10 + next(40), "COMMIT", () => expectKept());
      else if (kind === 6) inGroup(10 + next(40), "ROLLBACK", () => expectKept());
      else if (kind === 7 && !reader.isTransaction) {
        reader.exec("BEGIN");
        reader.prepare("SELECT count(*) FROM notes").get();
      } else if (kind === 7) reader.exec("ROLLBACK");
      else shell.exec(`PRAGMA wal_checkpoint(${["PASSIVE", "FULL", "RESTART", "TRUNCATE"][next(4)]})`);
      expectKept();
      older.push({ index: contentOf(`${path}-shm`), mark: contentOf(`${path}-mark`) });
      expectKept({ ...older[next(older.length)], mark: older[next(older.length)]?.mark });
    }
    reader.close();
    shell.close();
    closeSqlite(db, path);
    for (const name of readdirSync(folder)) rmSync(join(folder, name), { recursive: true });
  }
});
