import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { copySqlite } from "./copy.ts";
import { examineSqlite } from "./examine.ts";
import { openSqlite } from "./open.ts";

const migrations = [
  (db: { exec(sql: string): void }) => db.exec("CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT)"),
];

function newFile() {
  const path = join(mkdtempSync(join(tmpdir(), "parley-copy-")), "notes.db");
  const db = openSqlite({ path, migrations });
  const add = db.prepare("INSERT INTO notes (text) VALUES (?)");
  return { path, db, add: (text: string) => add.run(text) };
}

const look = (path: string) =>
  examineSqlite({
    path,
    isAtRest: true,
    schemaKnown: 1,
    counts: { notes: "SELECT count(*) AS n FROM notes" },
    invariants: [{ what: "notes too many", sql: "SELECT count(*) AS n FROM notes WHERE text = 'late'" }],
  });

test("a copy is the file at the moment of its beginning, however much is written before its end", async () => {
  const { path, db, add } = newFile();
  db.exec("BEGIN");
  for (let n = 0; n < 20_000; n++) add("x".repeat(500));
  db.exec("COMMIT");
  const to = `${path}.copy`;
  let steps = 0;
  await copySqlite({
    from: path,
    to,
    onProgress(part) {
      steps++;
      expect(part).toBeGreaterThanOrEqual(0);
      expect(part).toBeLessThanOrEqual(1);
      add("late");
    },
  });
  // A copy that began again with every write would not have come to its end in so few.
  expect(steps).toBeGreaterThan(1);
  expect(steps).toBeLessThan(20);
  expect(look(to)).toMatchObject({
    schemaVersion: 1,
    counts: { notes: 20_000 },
    complaints: [],
    isDamaged: false,
  });
  db.close();
  expect(look(path).complaints).toEqual([`${steps} notes too many`]);
});
