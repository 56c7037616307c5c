import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inspect } from "node:util";
import type { Principal } from "@parley-chat/sdk/contract";
import { Problem } from "@parley-chat/sdk/contract/problem";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type ManualClock, manualClock } from "../../kit/clock.ts";
import { isId } from "../../kit/ids.ts";
import type { Sql } from "../../ports/sql/sql.ts";
import { createSqliteSql } from "../../ports/sql/sqlite.ts";
import type { IdempotencyTable } from "../../ports/sql/tables.ts";
import { createIdempotency, derivedIds, type Idempotency } from "./idempotency.ts";

let dir: string;
let sql: Sql;
let clock: ManualClock;
let idempotency: Idempotency;
let works: number;

const start = (incarnation: string) => {
  sql = createSqliteSql({ path: join(dir, "parley.db") });
  idempotency = createIdempotency({ sql, clock, incarnation, secret: new Uint8Array(32).fill(7) });
};

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "parley-idempotency-"));
  clock = manualClock();
  works = 0;
  start("1");
});
afterEach(async () => {
  await sql.close();
  rmSync(dir, { recursive: true, force: true });
});

const call = { principal: "user:u", route: "POST /things", key: "k", body: { a: 1, b: [{ c: 2, d: 3 }] } };
const work = async () => ({ status: 201, body: { n: ++works } });
const problem = (code: string, more: object = {}) => expect.objectContaining({ code, ...more });
const rows = () => sql.read.selectFrom("idempotency").selectAll().execute();

test("a repeat gets the stored answer, also after a restart and with its fields in another order", async () => {
  expect(await idempotency.run(call, work)).toEqual({ status: 201, body: { n: 1 }, isReplay: false });
  const replayed = { status: 201, body: { n: 1 }, isReplay: true };
  expect(await idempotency.run(call, work)).toEqual(replayed);
  await sql.close();
  start("2");
  const sameBody = { b: [{ d: 3, c: 2 }], a: 1 };
  expect(await idempotency.run({ ...call, body: sameBody }, work)).toEqual(replayed);
  expect(works).toBe(1);
});

test("an answer without a body is replayed without one", async () => {
  const empty = async () => ({ status: 204, body: undefined });
  await idempotency.run(call, empty);
  expect(await idempotency.run(call, work)).toEqual({ status: 204, body: undefined, isReplay: true });
});

test.each([
  [{ a: 1, b: [{ c: 2, d: 4 }] }],
  [{ a: 1, b: [{ c: 2 }, { d: 3 }] }],
  [{ a: "1", b: [{ c: 2, d: 3 }] }],
  [{ a: 1 }],
  [null],
  [undefined],
])("another body under the same key is refused: %j", async (body) => {
  await idempotency.run(call, work);
  await expect(idempotency.run({ ...call, body }, work)).rejects.toEqual(problem("idempotency_key_reused"));
  expect(works).toBe(1);
});

test("keys are apart by principal and route", async () => {
  await idempotency.run(call, work);
  await idempotency.run({ ...call, principal: "user:v" }, work);
  await idempotency.run({ ...call, route: "POST /others" }, work);
  await idempotency.run({ ...call, key: "K" }, work);
  expect(works).toBe(4);
});

test("of two at once the second is told to come back, and then gets the first's answer", async () => {
  let finish = () => {};
  const slow = async () => {
    await new Promise<void>((resolve) => {
      finish = resolve;
    });
    return work();
  };
  const first = idempotency.run(call, slow);
  await expect(idempotency.run(call, work)).rejects.toEqual(problem("in_flight", { retryAfterS: 1 }));
  await expect(idempotency.run({ ...call, body: {} }, work)).rejects.toEqual(
    problem("idempotency_key_reused"),
  );
  await clock.advance(0);
  finish();
  const { body } = await first;
  expect(await idempotency.run(call, work)).toEqual({ status: 201, body, isReplay: true });
  expect(works).toBe(1);
});

test("the claim is on the disk before the work begins", async () => {
  await idempotency.run(call, async () => {
    expect(await rows()).toMatchObject([{ status: null, incarnation: "1" }]);
    return work();
  });
});

test("what failed is not kept: neither a problem nor an answer that is not 2xx", async () => {
  const failing = async () => {
    throw new Problem("not_found");
  };
  await expect(idempotency.run(call, failing)).rejects.toEqual(problem("not_found"));
  expect(await idempotency.run(call, async () => ({ status: 409, body: {} }))).toMatchObject({ status: 409 });
  expect(await rows()).toEqual([]);
  expect(await idempotency.run({ ...call, body: "other" }, work)).toMatchObject({ isReplay: false });
});

test("a claim whose process was killed is void: the work runs again, with the same ids", async () => {
  const made: string[] = [];
  const making = () => made.push(derivedIds(call.principal, call.route, call.key)());
  // The work never ends in this process, as when it is killed.
  idempotency.run(call, () => new Promise(() => making())).catch(() => {});
  await sql.write(async () => {});
  await sql.close();
  start("2");
  const again = async () => {
    making();
    return work();
  };
  expect(await idempotency.run(call, again)).toMatchObject({ isReplay: false });
  expect(await idempotency.run(call, again)).toMatchObject({ isReplay: true });
  expect(made).toHaveLength(2);
  expect(made[0]).toBe(made[1]);
});

test("an answer with a secret is not stored, and a repeat names what the first had made", async () => {
  const secretCall = { ...call, hasSecret: true };
  const id = derivedIds(call.principal, call.route, call.key)();
  const first = await idempotency.run(secretCall, async () => ({
    status: 201,
    body: { id, secret: "s3cret" },
  }));
  expect(first).toMatchObject({ isReplay: false, body: { secret: "s3cret" } });
  await expect(idempotency.run(secretCall, work)).rejects.toEqual(
    problem("secret_not_replayed", { detail: expect.stringContaining(id) }),
  );
  expect(await rows()).toMatchObject([{ status: 201, answer: null }]);
});

test("an answer that could not be stored is given all the same, and its repeat works again", async () => {
  const answer = await idempotency.run(call, async () => {
    await sql.close();
    return work();
  });
  expect(answer).toMatchObject({ status: 201, isReplay: false });
  start("2");
  expect(await idempotency.run(call, work)).toMatchObject({ isReplay: false });
});

test("an answer is kept for 7 days; the purge then takes it away and leaves younger ones", async () => {
  await idempotency.run(call, work);
  await clock.advance(7 * 86_400_000 - 1);
  expect(await idempotency.run(call, work)).toMatchObject({ isReplay: true });
  await idempotency.run({ ...call, key: "young" }, work);
  expect(await idempotency.purge()).toBe(0);
  await clock.advance(1);
  expect(await idempotency.run({ ...call, body: "other" }, work)).toMatchObject({ isReplay: false });
  await clock.advance(7 * 86_400_000 - 2);
  expect(await idempotency.purge()).toBe(0);
  await clock.advance(1);
  expect(await idempotency.purge()).toBe(1);
  expect(await rows()).toHaveLength(1);
});

test("a purge takes away all that is outdated, though it is more than one write may take", async () => {
  await idempotency.run(call, work);
  const [row] = await rows();
  const many = Array.from({ length: 2_500 }, (_, n) => ({ ...row, key_hash: String(n) }));
  await sql.write(async (tx) => {
    for (const one of many)
      await tx
        .insertInto("idempotency")
        .values(one as IdempotencyTable)
        .execute();
  });
  await clock.advance(7 * 86_400_000);
  expect(await idempotency.purge()).toBe(2_501);
  expect(await rows()).toEqual([]);
});

test("without a credential the principal is the e-mail, code or token in the body", () => {
  const of = (body: unknown) => idempotency.principalOf(null, body);
  expect(of({ email: "Ada@Example.org", password: "1" })).toBe(
    of({ email: "ada@example.ORG", password: "2" }),
  );
  const all = [{ email: "x" }, { code: "x" }, { refresh_token: "x" }, { email: "y" }, {}, null, 7].map(of);
  expect(new Set(all).size).toBe(5);
  const user: Principal = { userId: "u", role: "user", scopes: [], credential: { kind: "key", id: "k" } };
  expect(idempotency.principalOf(user, { email: "x" })).toBe("user:u");
});

test("forgetting a user drops their answers alone", async () => {
  await idempotency.run(call, work);
  await idempotency.run({ ...call, principal: "user:v" }, work);
  await idempotency.forget("u");
  expect(await rows()).toMatchObject([{ principal: "user:v" }]);
});

test("answers about a thing that was deleted are dropped, those of calls that still run too", async () => {
  const id = derivedIds(call.principal, call.route, call.key)();
  const change = { ...call, route: "PATCH /things/{id}", about: id };
  await idempotency.run(call, work);
  await idempotency.run(change, work);
  await idempotency.run({ ...call, key: "another" }, work);
  await idempotency.run({ ...change, key: "late" }, async () => {
    await idempotency.forgetAbout(id);
    return work();
  });
  expect(await rows()).toMatchObject([{ about: derivedIds(call.principal, call.route, "another")() }]);
  expect(await idempotency.run(call, async () => ({ status: 404, body: {} }))).toMatchObject({ status: 404 });
});

test("derived ids are ids, and the same for the same call alone", () => {
  const [first, again] = [derivedIds("p", "r", "k"), derivedIds("p", "r", "k")];
  const ids = [first(), first(), derivedIds("p", "r", "k2")(), derivedIds("p2", "r", "k")()];
  expect([again(), again()]).toEqual(ids.slice(0, 2));
  expect(new Set(ids).size).toBe(4);
  expect(ids.every(isId)).toBe(true);
});

test("no key, password, token or code is stored or said", async () => {
  const key = "canary-idempotency-key";
  const canaries = [
    key,
    "canary password",
    "canary token",
    "canary code",
    "canary@example.org",
    "canary answer",
  ];
  const bodies = [
    { email: "canary@example.org", password: "canary password" },
    { refresh_token: "canary token" },
    { code: "canary code" },
  ];
  let said = "";
  for (const body of bodies) {
    const secretCall = { principal: idempotency.principalOf(null, body), route: "POST /x", key, body };
    const answer = async () => ({ status: 201, body: { secret: "canary answer" } });
    await idempotency.run({ ...secretCall, hasSecret: true }, answer);
    for (const changed of [body, { ...body, x: 1 }]) {
      const error = await idempotency
        .run({ ...secretCall, body: changed, hasSecret: true }, answer)
        .catch((e: unknown) => e);
      said += inspect(error);
    }
  }
  const files = readdirSync(dir).map((name) => readFileSync(join(dir, name)));
  for (const canary of canaries) {
    expect(
      files.some((bytes) => bytes.includes(canary)),
      canary,
    ).toBe(false);
    expect(said).not.toContain(canary);
  }
});
