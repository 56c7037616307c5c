import { expect, test } from "vitest";
import { API_KEY, as, bearer, type Fixture, problem, register, setUp } from "./fixture.ts";

const keysOf = async ({ all }: Fixture, me: ReturnType<typeof as>) => (await all.keys.list({}, me)).items;

test("a key has every scope but admin unless told otherwise, and shows its secret once", async () => {
  const fixture = await setUp();
  const { me } = await register(fixture);
  const { secret, ...key } = await fixture.all.keys.create({ name: "mine" }, me);
  expect(key).toMatchObject({ name: "mine", scopes: ["chat", "characters", "account"] });
  expect(secret.startsWith(`${key.prefix}.`)).toBe(true);
  expect(await keysOf(fixture, me)).toEqual([key]);
  const { scopes } = await fixture.all.authenticate(bearer(secret));
  expect(scopes).toEqual(["chat", "characters", "account"]);
});

test("nobody gives a scope away that they do not have", async () => {
  const fixture = await setUp({ settings: { environmentApiKey: API_KEY } });
  const { me } = await register(fixture);
  await expect(fixture.all.keys.create({ name: "k", scopes: ["admin"] }, me)).rejects.toEqual(
    problem("forbidden", { detail: expect.stringContaining('"admin"') }),
  );
  const { secret } = await fixture.all.keys.create({ name: "k", scopes: ["account"] }, me);
  const narrow = as(await fixture.all.authenticate(bearer(secret)));
  await expect(fixture.all.keys.create({ name: "k" }, narrow)).rejects.toEqual(problem("forbidden"));
  await expect(fixture.all.keys.create({ name: "k", scopes: ["chat"] }, narrow)).rejects.toEqual(
    problem("forbidden"),
  );
  const same = await fixture.all.keys.create({ name: "k", scopes: ["account"] }, narrow);
  expect(same.scopes).toEqual(["account"]);
  const owner = as(await fixture.all.authenticate(bearer(API_KEY)));
  const admin = await fixture.all.keys.create({ name: "k", scopes: ["admin", "chat"] }, owner);
  expect(admin.scopes).toEqual(["chat", "admin"]);
});

test("the scope admin is worth nothing in the hands of who is not the owner", async () => {
  const fixture = await setUp();
  const { me } = await register(fixture);
  const { secret } = await fixture.all.keys.create({ name: "k" }, me);
  await fixture.sql.write((tx) => tx.updateTable("keys").set({ scopes: '["chat","admin"]' }).execute());
  expect((await fixture.all.authenticate(bearer(secret))).scopes).toEqual(["chat"]);
});

test("a key works until it expires, and cannot expire in the past", async () => {
  const fixture = await setUp();
  const { me } = await register(fixture);
  const at = (ms: number) => new Date(fixture.clock.now() + ms).toISOString();
  for (const [expires_at, message] of [
    [at(0), "must lie in the future"],
    ["soon", "must be a time such as 2027-01-01T00:00:00.000Z"],
  ] as const) {
    await expect(fixture.all.keys.create({ name: "k", expires_at }, me)).rejects.toEqual(
      problem("validation_failed", { errors: [{ path: "expires_at", message }] }),
    );
  }
  const expires_at = at(10_000);
  const key = await fixture.all.keys.create({ name: "k", expires_at }, me);
  expect(key.expires_at).toBe(expires_at);
  await fixture.clock.advance(9_999);
  await fixture.all.authenticate(bearer(key.secret));
  await fixture.clock.advance(1);
  await expect(fixture.all.authenticate(bearer(key.secret))).rejects.toEqual(problem("unauthenticated"));
});

test("a revoked key is dead at once and gone from the list; revoking it again is no error", async () => {
  const fixture = await setUp();
  const { me } = await register(fixture);
  const { secret, id } = await fixture.all.keys.create({ name: "k" }, me);
  const principal = await fixture.all.authenticate(bearer(secret));
  for (let n = 0; n < 2; n++) expect(await fixture.all.keys.remove({ key_id: id }, me)).toBeUndefined();
  await expect(fixture.all.authenticate(bearer(secret))).rejects.toEqual(problem("unauthenticated"));
  expect(await fixture.all.isAlive(principal)).toBe(false);
  expect(fixture.revoked).toContainEqual({ credentialId: id });
  expect(await keysOf(fixture, me)).toEqual([]);
  const after = await fixture.restart();
  await expect(after.all.authenticate(bearer(secret))).rejects.toEqual(problem("unauthenticated"));
});

test("another's key, an unknown and a malformed id are all the same to remove: not found", async () => {
  const fixture = await setUp();
  const [mine, other] = [await register(fixture), await register(fixture)];
  const { id, secret } = await fixture.all.keys.create({ name: "k" }, other.me);
  for (const key_id of [id, crypto.randomUUID(), id.toUpperCase(), "x", "' or 1=1 --"]) {
    await expect(fixture.all.keys.remove({ key_id }, mine.me)).rejects.toEqual(problem("not_found"));
  }
  await fixture.all.authenticate(bearer(secret));
  expect(await keysOf(fixture, mine.me)).toEqual([]);
});

test("the last use is noted behind the call, at most once a minute", async () => {
  const fixture = await setUp();
  const { me } = await register(fixture);
  const { secret } = await fixture.all.keys.create({ name: "k" }, me);
  const lastUsed = async () => {
    await fixture.sql.write(async () => {}); // stands behind the note in the queue
    return (await keysOf(fixture, me))[0]?.last_used_at;
  };
  const use = () => fixture.all.authenticate(bearer(secret));
  expect(await lastUsed()).toBeUndefined();
  await use();
  const first = await lastUsed();
  expect(first).toBe(new Date(fixture.clock.now()).toISOString());
  await fixture.clock.advance(59_000);
  await use();
  expect(await lastUsed()).toBe(first);
  await fixture.clock.advance(1_000);
  await use();
  expect(await lastUsed()).toBe(new Date(fixture.clock.now()).toISOString());
});

test("the list pages through every key once, newest first, though they were made in one moment", async () => {
  const fixture = await setUp();
  const { me } = await register(fixture);
  const made: string[] = [];
  for (let n = 0; n < 7; n++) {
    if (n === 4) await fixture.clock.advance(5);
    made.push((await fixture.all.keys.create({ name: `k${n}` }, me)).name);
  }
  const seen: string[] = [];
  let cursor: string | null = null;
  do {
    const page: Awaited<ReturnType<typeof fixture.all.keys.list>> = await fixture.all.keys.list(
      { limit: 3, ...(cursor !== null && { cursor }) },
      me,
    );
    seen.push(...page.items.map((key) => key.name));
    cursor = page.next_cursor;
  } while (cursor !== null);
  // Ids of one millisecond are in no order, so neither are keys of one.
  expect(seen.slice(0, 3).sort()).toEqual(made.slice(4));
  expect(seen.slice(3).sort()).toEqual(made.slice(0, 4));
});

test("a malformed cursor is refused", async () => {
  const fixture = await setUp();
  const { me } = await register(fixture);
  for (const cursor of ["x", "", Buffer.from("1.x").toString("base64url"), "' or 1=1"]) {
    await expect(fixture.all.keys.list({ cursor }, me)).rejects.toEqual(problem("invalid_cursor"));
  }
});

test("a key made twice under one Idempotency-Key is made once, and the repeat names it", async () => {
  const fixture = await setUp();
  const { principal } = await register(fixture);
  const id = crypto.randomUUID();
  const me = as(principal, { newId: () => id });
  await fixture.all.keys.create({ name: "k" }, me);
  await expect(fixture.all.keys.create({ name: "k" }, me)).rejects.toEqual(
    problem("secret_not_replayed", { detail: expect.stringContaining(id) }),
  );
  expect(await keysOf(fixture, me)).toHaveLength(1);
});
