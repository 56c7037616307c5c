import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import type { Problem } from "@parley-chat/sdk/contract/problem";
import { afterEach, beforeEach, expect, test } from "vitest";
import { createGroupedWriter } from "./grouped-writer.ts";
import { openSqlite } from "./open.ts";

let folder: string;
let db: DatabaseSync;
let other: DatabaseSync;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "parley-writer-"));
  const path = join(folder, "a.db");
  db = openSqlite({ path, migrations: [(it) => it.exec("CREATE TABLE t (a TEXT PRIMARY KEY)")] });
  other = new DatabaseSync(path, { timeout: 0 });
});
afterEach(() => {
  other.close();
  db.close();
  rmSync(folder, { recursive: true, force: true });
});

const insert = (text: string) => () => {
  db.prepare("INSERT INTO t VALUES (?)").run(text);
  return text;
};
/** As another program sees it: only what is committed. */
const stored = () =>
  (other.prepare("SELECT a FROM t ORDER BY rowid").all() as { a: string }[]).map(({ a }) => a);
const kinds = (settled: PromiseSettledResult<unknown>[]) => settled.map((one) => one.status);

test("works of one turn of the event loop share a commit and resolve only after it", async () => {
  const writer = createGroupedWriter(db);
  const seen: number[] = [];
  const works = ["a", "b", "c"].map((text) =>
    writer.write(() => {
      seen.push(stored().length);
      return insert(text)();
    }),
  );
  const values = await Promise.all(works.map((work) => work.finally(() => seen.push(stored().length))));
  expect(values).toEqual(["a", "b", "c"]);
  expect(seen).toEqual([0, 0, 0, 3, 3, 3]);
});

test("a lone work waits for the end of its turn and nothing else", async () => {
  const writer = createGroupedWriter(db);
  let isDone = false;
  void writer.write(insert("a")).then(() => {
    isDone = true;
  });
  await new Promise(setImmediate);
  expect(isDone).toBe(true);
});

test("a work that throws leaves nothing and rejects alone; the others of its commit are stored in order", async () => {
  const writer = createGroupedWriter(db);
  const guilty = () => {
    insert("guilty")();
    throw new Error("guilty");
  };
  const works = [insert("a"), guilty, insert("b"), insert("a"), insert("c")];
  const settled = await Promise.allSettled(works.map((work) => writer.write(work)));
  expect(kinds(settled)).toEqual(["fulfilled", "rejected", "fulfilled", "rejected", "fulfilled"]);
  expect(stored()).toEqual(["a", "b", "c"]);
});

test("a work that throws costs one commit more, however many share it", async () => {
  let commits = 0;
  const writer = createGroupedWriter(db, { beforeCommit: () => void commits++ });
  const guilty = () => {
    throw new Error("guilty");
  };
  const names = Array.from({ length: 40 }, (_, n) => String(n).padStart(2, "0"));
  const works: (() => unknown)[] = names.map(insert);
  works.splice(20, 0, guilty);
  const settled = await Promise.allSettled(works.map((work) => writer.write(work)));
  expect(kinds(settled).filter((kind) => kind === "rejected")).toHaveLength(1);
  expect(stored()).toEqual(names);
  expect(commits).toBe(2);
});

test("what is written once per commit is begun anew where the commit is done again", async () => {
  let touched: string[] = [];
  const flushed: string[][] = [];
  const writer = createGroupedWriter(db, {
    onBegin: () => {
      touched = [];
    },
    beforeCommit: () => void flushed.push(touched),
  });
  const touch = (text: string) => () => void touched.push(text);
  const works = [touch("a"), touch("b")];
  await Promise.all(works.map((work) => writer.write(work)));
  expect(flushed).toEqual([["a", "b"]]);
  const guilty = () => {
    throw new Error("guilty");
  };
  await Promise.allSettled([touch("c"), guilty, touch("d")].map((work) => writer.write(work)));
  expect(flushed.slice(1)).toEqual([["c"], ["d"]]);
});

test("a refused commit rejects every work of it with storage_unavailable, and the next write tries again", async () => {
  const outcomes: (Problem | null)[] = [];
  const writer = createGroupedWriter(db, { onOutcome: (refusal) => outcomes.push(refusal) });
  other.exec("BEGIN IMMEDIATE");
  const settled = await Promise.allSettled([writer.write(insert("a")), writer.write(insert("b"))]);
  for (const one of settled) {
    expect(one).toMatchObject({ reason: { code: "storage_unavailable", retryAfterS: 1 } });
  }
  other.exec("ROLLBACK");
  await writer.write(() => null);
  expect(outcomes).toMatchObject([{ code: "storage_unavailable" }]);
  await writer.write(insert("c"));
  expect(stored()).toEqual(["c"]);
  expect(outcomes).toMatchObject([{ code: "storage_unavailable" }, null]);
});

test("a full disk refuses writes while reads go on, and room brings writes back without a restart", async () => {
  const writer = createGroupedWriter(db);
  await writer.write(insert("a"));
  db.exec("PRAGMA max_page_count = 3");
  const works = ["b", "c"].map((text) => writer.write(insert(text.repeat(100_000))));
  for (const one of await Promise.allSettled(works)) {
    expect(one).toMatchObject({ reason: { code: "storage_unavailable" } });
  }
  expect(db.prepare("SELECT count(*) AS n FROM t").get()).toEqual({ n: 1 });
  db.exec("PRAGMA max_page_count = 1000000");
  await writer.write(insert("d"));
  expect(stored()).toEqual(["a", "d"]);
});

test("the queue is bounded: what does not fit is refused as overloaded", async () => {
  const writer = createGroupedWriter(db, { waitingMax: 2 });
  const settled = await Promise.allSettled(["a", "b", "c"].map((text) => writer.write(insert(text))));
  expect(settled[2]).toMatchObject({ reason: { code: "overloaded" } });
  expect(stored()).toEqual(["a", "b"]);
});

test("more works than one commit takes are stored in order and leave room for other events between", async () => {
  const writer = createGroupedWriter(db);
  const names = Array.from({ length: 1_200 }, (_, n) => String(n).padStart(4, "0"));
  let turns = 0;
  const tick = () => {
    turns++;
    if (turns < 10) setImmediate(tick);
  };
  const all = Promise.all(names.map((name) => writer.write(insert(name))));
  setImmediate(tick);
  await all;
  expect(turns).toBeGreaterThanOrEqual(2);
  expect(stored()).toEqual(names);
});

test("closing waits for what was taken and refuses what comes later", async () => {
  const writer = createGroupedWriter(db);
  const taken = writer.write(insert("a"));
  const closing = writer.close();
  await expect(writer.write(insert("b"))).rejects.toMatchObject({ code: "storage_unavailable" });
  await closing;
  expect(stored()).toEqual(["a"]);
  await taken;
});

test("without transactions each statement of a work stays, as in a store that has none", async () => {
  const writer = createGroupedWriter(db, { commitEachStep: true });
  const cut = writer.write(() => {
    insert("first step")();
    throw new Error("killed");
  });
  await Promise.allSettled([cut, writer.write(insert("b"))]);
  expect(stored()).toEqual(["first step", "b"]);
});
