import { afterEach, beforeEach, expect, test } from "vitest";
import { type Sql, UniqueViolation } from "./sql.ts";
import type { Tables } from "./tables.ts";

const code = (code_hash: string): Tables["sign_in_codes"] => ({ code_hash, user_id: "u", expires_at: 1 });

const everyTable: { [T in keyof Tables]: true } = {
  users: true,
  identities: true,
  sessions: true,
  keys: true,
  sign_in_codes: true,
  characters: true,
  character_versions: true,
  idempotency: true,
  probes: true,
};

/** What every relational store must do; an adapter's own test is a call to this. `open` gives an empty one. */
export function sqlConformance(open: () => Promise<{ sql: Sql; reopen(): Promise<Sql> }>) {
  let sql: Sql;
  let reopen: () => Promise<Sql>;
  beforeEach(async () => {
    ({ sql, reopen } = await open());
  });
  afterEach(() => sql.close());

  const insert = (...hashes: string[]) =>
    sql.write(async (tx) => {
      for (const hash of hashes) await tx.insertInto("sign_in_codes").values(code(hash)).execute();
    });
  const stored = async () =>
    (await sql.read.selectFrom("sign_in_codes").select("code_hash").orderBy("code_hash").execute()).map(
      (row) => row.code_hash,
    );

  test("every table is there, and empty", async () => {
    for (const table of Object.keys(everyTable) as (keyof Tables)[]) {
      expect(await sql.read.selectFrom(table).selectAll().execute(), table).toEqual([]);
    }
  });

  test("what a write committed is read at once, and after a restart", async () => {
    await insert("a");
    expect(await stored()).toEqual(["a"]);
    await sql.close();
    sql = await reopen();
    expect(await stored()).toEqual(["a"]);
  });

  test("a write returns what its work returned, and sees its own changes, which reads do not", async () => {
    const result = await sql.write(async (tx) => {
      await tx.insertInto("sign_in_codes").values(code("a")).execute();
      const inside = await tx.selectFrom("sign_in_codes").selectAll().execute();
      return { inside: inside.length, outside: (await stored()).length };
    });
    expect(result).toEqual({ inside: 1, outside: 0 });
  });

  test("a flood of writes leaves room for other events between its commits", async () => {
    let turns = 0;
    const tick = () => {
      turns++;
      if (turns < 10) setImmediate(tick);
    };
    const all = Promise.all(Array.from({ length: 1_200 }, (_, n) => insert(String(n).padStart(4, "0"))));
    setImmediate(tick);
    await all;
    expect(turns).toBeGreaterThan(1);
    expect(await stored()).toHaveLength(1_200);
  });

  test("a work that throws leaves nothing, and those that share its commit stay whole", async () => {
    const broken = sql.write(async (tx) => {
      await tx.insertInto("sign_in_codes").values(code("broken")).execute();
      throw new Error("broken work");
    });
    const settled = await Promise.allSettled([insert("a"), broken, insert("b"), insert("c", "d")]);
    expect(settled.map((one) => one.status)).toEqual(["fulfilled", "rejected", "fulfilled", "fulfilled"]);
    expect(await stored()).toEqual(["a", "b", "c", "d"]);
    await expect(broken).rejects.toThrow("broken work");
  });

  test("works run one after another in the order of the calls", async () => {
    const log: string[] = [];
    const work = (name: string) =>
      sql.write(async (tx) => {
        log.push(`${name} begins`);
        await tx.selectFrom("users").select("id").execute();
        await tx.selectFrom("users").select("id").execute();
        log.push(`${name} ends`);
      });
    await Promise.all([work("a"), work("b"), work("c")]);
    expect(log).toEqual(["a begins", "a ends", "b begins", "b ends", "c begins", "c ends"]);
  });

  test("counting up from what was read loses no count", async () => {
    const countUp = () =>
      sql.write(async (tx) => {
        const row = await tx.selectFrom("sign_in_codes").select("expires_at").executeTakeFirst();
        if (!row) return tx.insertInto("sign_in_codes").values(code("n")).execute();
        return tx
          .updateTable("sign_in_codes")
          .set({ expires_at: row.expires_at + 1 })
          .execute();
      });
    await Promise.all(Array.from({ length: 50 }, countUp));
    expect(await sql.read.selectFrom("sign_in_codes").select("expires_at").execute()).toEqual([
      { expires_at: 50 },
    ]);
  });

  test("a write that is called inside a write runs after it", async () => {
    let inner: Promise<void> | undefined;
    await sql.write(async () => {
      inner = insert("inner");
    });
    await inner;
    expect(await stored()).toEqual(["inner"]);
  });

  test("a unique violation names its columns and undoes its work", async () => {
    await insert("a");
    const error = await insert("b", "a").catch((e: unknown) => e);
    expect(error).toBeInstanceOf(UniqueViolation);
    expect(error).toMatchObject({ columns: ["sign_in_codes.code_hash"] });
    expect(await stored()).toEqual(["a"]);
  });

  test("one e-mail, one owner: the indexes that promises rest on are there", async () => {
    const user = (id: string, more: Partial<Tables["users"]>): Tables["users"] => ({
      id,
      space_id: "default",
      email: null,
      email_key: null,
      user_name: null,
      display_name: "",
      role: "user",
      status: "active",
      password_hash: null,
      locale: null,
      time_zone: null,
      created_at: 0,
      deleted_at: null,
      erased_at: null,
      ...more,
    });
    const add = (row: Tables["users"]) => sql.write((tx) => tx.insertInto("users").values(row).execute());
    await add(user("1", { email_key: "a@b", role: "owner" }));
    await add(user("2", {}));
    await add(user("3", {}));
    await expect(add(user("4", { email_key: "a@b" }))).rejects.toBeInstanceOf(UniqueViolation);
    await expect(add(user("5", { role: "owner" }))).rejects.toBeInstanceOf(UniqueViolation);
  });

  test("texts, whole numbers up to 2^53 and nulls come back as they were", async () => {
    const row = { code_hash: "ü ✓ 👋 '\"; --", user_id: "", expires_at: Number.MAX_SAFE_INTEGER };
    await sql.write((tx) => tx.insertInto("sign_in_codes").values(row).execute());
    expect(await sql.read.selectFrom("sign_in_codes").selectAll().execute()).toEqual([row]);
  });

  test("returning and the number of changed rows are told", async () => {
    await insert("a", "b");
    await sql.write(async (tx) => {
      const taken = tx.deleteFrom("sign_in_codes").where("code_hash", "=", "a").returningAll();
      expect(await taken.execute()).toEqual([code("a")]);
      const changed = await tx.updateTable("sign_in_codes").set({ user_id: "v" }).executeTakeFirst();
      expect(changed.numUpdatedRows).toBe(1n);
    });
  });

  test("a transaction cannot be used once its work is over", async () => {
    let kept: Parameters<Parameters<Sql["write"]>[0]>[0] | undefined;
    await sql.write(async (tx) => {
      kept = tx;
    });
    await expect(kept?.selectFrom("users").selectAll().execute()).rejects.toThrow("transaction is over");
  });

  test("a probe writes, and after close every write is refused as storage that cannot be written", async () => {
    await sql.probe();
    await sql.probe();
    const last = insert("last");
    await Promise.all([sql.close(), sql.close()]);
    await last;
    await expect(insert("late")).rejects.toMatchObject({ code: "storage_unavailable" });
    await expect(sql.probe()).rejects.toMatchObject({ code: "storage_unavailable" });
  });
}
