import { copyFileSync, mkdtempSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { openSqlite } from "./open.ts";
import { watchPlace } from "./place.ts";

const refused = expect.objectContaining({ code: "storage_unavailable", retryAfterS: 1 });

test("a file or log that was moved, replaced or removed is told of, and so is that it is back", () => {
  const path = join(mkdtempSync(join(tmpdir(), "parley-place-")), "a.db");
  const db = openSqlite({ path, migrations: [(it) => it.exec("CREATE TABLE t (a)")] });
  const place = watchPlace(path);
  place.before();
  place.behind();
  for (const name of [path, `${path}-wal`]) {
    renameSync(name, `${name}.away`);
    expect(place.behind).toThrow(refused);
    copyFileSync(`${name}.away`, name);
    expect(place.behind).toThrow(refused);
    rmSync(name);
    renameSync(`${name}.away`, name);
    place.before();
    place.behind();
  }
  db.close();
});

test("what lies in memory has no place", () => {
  const place = watchPlace(":memory:");
  place.before();
  place.behind();
});
