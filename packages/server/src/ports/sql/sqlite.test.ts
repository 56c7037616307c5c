import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { sql as rawSql } from "kysely";
import { afterEach, beforeEach, expect, test } from "vitest";
import { sqlConformance } from "./conformance.ts";
import { openSql } from "./index.ts";
import { createSqliteSql } from "./sqlite.ts";

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "parley-sql-"));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const open = () => createSqliteSql({ path: join(dir, "parley.db") });

sqlConformance(async () => ({ sql: open(), reopen: async () => open() }));

const row = (code_hash: string) => ({ code_hash, user_id: "u", expires_at: 1 });

test("works that arrive in one turn of the event loop are visible only together", async () => {
  const sql = open();
  const seen: number[] = [];
  const count = async () => (await sql.read.selectFrom("sign_in_codes").selectAll().execute()).length;
  await Promise.all(
    ["a", "b", "c"].map(async (hash) => {
      await sql.write(async (tx) => {
        await tx.insertInto("sign_in_codes").values(row(hash)).execute();
        seen.push(await count());
      });
      seen.push(await count());
    }),
  );
  expect(seen).toEqual([0, 0, 0, 3, 3, 3]);
  await sql.close();
});

test("what was acknowledged is in the file without a close, as after a kill", async () => {
  const sql = open();
  await sql.write((tx) => tx.insertInto("sign_in_codes").values(row("a")).execute());
  const other = new DatabaseSync(join(dir, "parley.db"), { readOnly: true });
  expect(other.prepare("select code_hash from sign_in_codes").all()).toMatchObject([{ code_hash: "a" }]);
  other.close();
  await sql.close();
});

test("a work that waits for something else is refused and holds up nobody", async () => {
  const sql = open();
  const stuck = sql.write(async (tx) => {
    await tx.insertInto("sign_in_codes").values(row("stuck")).execute();
    await new Promise(() => {});
  });
  const next = sql.write((tx) => tx.insertInto("sign_in_codes").values(row("next")).execute());
  await expect(stuck).rejects.toThrow("must wait for nothing but its own queries");
  await next;
  expect(await sql.read.selectFrom("sign_in_codes").select("code_hash").execute()).toEqual([
    { code_hash: "next" },
  ]);
  await sql.close();
});

test("the queue is bounded: what does not fit is told when to come again", async () => {
  const sql = open();
  const works = Array.from({ length: 10_001 }, () => sql.write(async () => "done"));
  const settled = await Promise.allSettled(works);
  expect(settled.slice(0, -1).every(({ status }) => status === "fulfilled")).toBe(true);
  expect(settled.at(-1)).toMatchObject({ reason: { code: "overloaded", retryAfterS: 1 } });
  await sql.close();
});

test("reads cannot write", async () => {
  const sql = open();
  await expect(sql.read.insertInto("sign_in_codes").values(row("a")).execute()).rejects.toThrow();
  await sql.close();
});

test("when the commit is refused nobody of the group is told that it was stored", async () => {
  const sql = open();
  const blocker = new DatabaseSync(join(dir, "parley.db"), { timeout: 0 });
  blocker.exec("begin immediate");
  const both = await Promise.allSettled(
    ["a", "b"].map((hash) => sql.write((tx) => tx.insertInto("sign_in_codes").values(row(hash)).execute())),
  );
  for (const one of both) expect(one).toMatchObject({ reason: { code: "storage_unavailable" } });
  blocker.exec("rollback");
  blocker.close();
  await sql.probe();
  expect(await sql.read.selectFrom("sign_in_codes").selectAll().execute()).toEqual([]);
  await sql.close();
});

test("a file that is full refuses the write, keeps what it has, and works again with room", async () => {
  const sql = open();
  await sql.write((tx) => tx.insertInto("sign_in_codes").values(row("a")).execute());
  const limit = (pages: number) =>
    sql.write((tx) => rawSql`pragma max_page_count = ${rawSql.lit(pages)}`.execute(tx));
  await limit(1);
  const big = row("b".repeat(1_000_000));
  const full = sql.write((tx) => tx.insertInto("sign_in_codes").values(big).execute());
  await expect(full).rejects.toMatchObject({ code: "storage_unavailable" });
  await limit(1_000_000);
  await sql.write((tx) => tx.insertInto("sign_in_codes").values(big).execute());
  expect(await sql.read.selectFrom("sign_in_codes").selectAll().execute()).toHaveLength(2);
  await sql.close();
});

test("without settings the store is parley.db in the data folder", async () => {
  const sql = await openSql({ dataDir: dir });
  await sql.probe();
  await sql.close();
  const file = new DatabaseSync(join(dir, "parley.db"), { readOnly: true });
  expect(file.prepare("select count(*) as n from probes").get()).toMatchObject({ n: 1 });
  file.close();
});
