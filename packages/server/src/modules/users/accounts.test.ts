import { expect, test } from "vitest";
import { API_KEY, anyone, as, bearer, type Fixture, problem, refresh, register, setUp } from "./fixture.ts";

const password = "correct horse battery";
const create = ({ all }: Fixture, email: string) => all.users.create({ email, password }, anyone());

test("an account is made with its first session; a name is optional", async () => {
  const fixture = await setUp();
  const { user, session } = await fixture.all.users.create(
    { email: "Ada@Example.org", password, display_name: "Ada" },
    anyone(),
  );
  expect(user).toEqual({
    id: expect.any(String),
    email: "Ada@Example.org",
    display_name: "Ada",
    role: "user",
    created_at: new Date(fixture.clock.now()).toISOString(),
  });
  const principal = await fixture.all.authenticate(bearer(session.access_token));
  expect(await fixture.all.users.me({}, as(principal))).toEqual(user);
  expect(principal.scopes).toEqual(["chat", "characters", "account"]);
  expect(await fixture.all.displayName(user.id)).toBe("Ada");
});

test("an e-mail address has one account, whatever its case, and the owner's is taken", async () => {
  const fixture = await setUp();
  await create(fixture, "ada@example.org");
  for (const email of ["ADA@example.org", "ada@EXAMPLE.ORG", "owner@PARLEY.local"]) {
    await expect(create(fixture, email)).rejects.toEqual(problem("email_taken"));
  }
});

test("of two registrations at once with one address one succeeds", async () => {
  const fixture = await setUp();
  const both = await Promise.allSettled([create(fixture, "a@example.org"), create(fixture, "A@example.org")]);
  expect(both.map((one) => one.status).sort()).toEqual(["fulfilled", "rejected"]);
  expect(both.find((one) => one.status === "rejected")?.reason).toEqual(problem("email_taken"));
});

test("a registration repeated with its key after a kill is told which account was made", async () => {
  const fixture = await setUp();
  const ids = ["0197aaaa-0000-7000-8000-000000000001", "0197aaaa-0000-7000-8000-000000000002"];
  const context = () => {
    const left = [...ids];
    return anyone({ newId: () => left.shift() ?? "" });
  };
  const input = { email: "ada@example.org", password };
  await fixture.all.users.create(input, context());
  const after = await fixture.restart();
  await expect(after.all.users.create(input, context())).rejects.toEqual(
    problem("secret_not_replayed", { detail: expect.stringContaining(ids[0] as string) }),
  );
});

test("closed registration says so, while those who have an account still sign in", async () => {
  const open = await setUp();
  const { email } = await register(open);
  const closed = await open.restart({ registration: "closed" });
  await expect(create(closed, "new@example.org")).rejects.toEqual(problem("forbidden"));
  await closed.all.sessions.create({ email, password }, anyone());
});

test("the owner's account is made once, without a password, and follows a changed address", async () => {
  const fixture = await setUp();
  const id = await fixture.all.ensureOwner();
  expect(await fixture.all.ensureOwner()).toBe(id);
  const moved = await fixture.restart({ ownerEmail: "boss@example.org" });
  expect(await moved.all.ensureOwner()).toBe(id);
  const { code } = await moved.all.createSignInCode();
  const { user } = await moved.all.sessions.create({ code }, anyone());
  expect(user).toMatchObject({ id, email: "boss@example.org", role: "owner" });
});

test("the owner cannot take the address of another account", async () => {
  const fixture = await setUp();
  const { email } = await register(fixture);
  await expect(fixture.restart({ ownerEmail: email })).rejects.toThrow("PARLEY_OWNER_EMAIL");
});

test("an update changes what it names, null clears, and the rest stays", async () => {
  const fixture = await setUp();
  const { me, user } = await register(fixture);
  const changed = await fixture.all.users.update(
    { display_name: "Ada", locale: "de-at", time_zone: "Europe/Vienna" },
    me,
  );
  expect(changed).toEqual({ ...user, display_name: "Ada", locale: "de-AT", time_zone: "Europe/Vienna" });
  const cleared = await fixture.all.users.update({ locale: null, time_zone: null }, me);
  expect(cleared).toEqual({ ...user, display_name: "Ada" });
  expect(await fixture.all.users.update({}, me)).toEqual(cleared);
  expect(await fixture.all.users.me({}, me)).toEqual(cleared);
});

test.each([
  [{ locale: "no such locale" }, "locale"],
  [{ locale: "x" }, "locale"],
  [{ time_zone: "Europe/Nowhere" }, "time_zone"],
  [{ display_name: "a\0b" }, "display_name"],
  [{ display_name: "\ud800" }, "display_name"],
])("the update %j is refused with its path", async (input, path) => {
  const fixture = await setUp();
  const { me } = await register(fixture);
  await expect(fixture.all.users.update(input, me)).rejects.toEqual(
    problem("validation_failed", { errors: [expect.objectContaining({ path })] }),
  );
});

test("a new password needs the current one, works at once and ends the other sessions", async () => {
  const fixture = await setUp();
  const { me, email, session, user } = await register(fixture);
  const other = await fixture.all.sessions.create({ email, password }, anyone());
  const { secret } = await fixture.all.keys.create({ name: "k" }, me);
  const headers = bearer(other.session.access_token);
  const otherId = (await fixture.all.authenticate(headers)).credential.id;
  for (const current_password of [undefined, "wrong password"]) {
    await expect(
      fixture.all.users.update(
        { password: "new password", ...(current_password && { current_password }) },
        me,
      ),
    ).rejects.toEqual(
      problem("validation_failed", { errors: [expect.objectContaining({ path: "current_password" })] }),
    );
  }
  await fixture.all.authenticate(headers);

  await fixture.all.users.update({ password: "new password", current_password: password }, me);
  await expect(fixture.all.authenticate(headers)).rejects.toEqual(problem("unauthenticated"));
  expect(fixture.revoked).toEqual([{ credentialId: otherId }]);
  await fixture.all.authenticate(bearer(session.access_token));
  await fixture.all.authenticate(bearer(secret));
  await expect(fixture.all.sessions.create({ email, password }, anyone())).rejects.toEqual(
    problem("unauthenticated"),
  );
  const again = await fixture.all.sessions.create({ email, password: "new password" }, anyone());
  expect(again.user).toEqual(user);
});

test("the owner, who has no password yet, sets one without a current one, and then needs it", async () => {
  const fixture = await setUp({ settings: { environmentApiKey: API_KEY } });
  const me = as(await fixture.all.authenticate(bearer(API_KEY)));
  await fixture.all.users.update({ password }, me);
  await fixture.all.sessions.create({ email: "owner@parley.local", password }, anyone());
  await expect(fixture.all.users.update({ password: "another one" }, me)).rejects.toEqual(
    problem("validation_failed"),
  );
});

test("of two password changes at once one wins", async () => {
  const fixture = await setUp();
  const { me, email } = await register(fixture);
  const tried = ["new password 1", "new password 2"];
  const both = await Promise.allSettled(
    tried.map((text) => fixture.all.users.update({ password: text, current_password: password }, me)),
  );
  const winner = both.findIndex((one) => one.status === "fulfilled");
  expect(both.filter((one) => one.status === "fulfilled")).toHaveLength(1);
  await fixture.all.sessions.create({ email, password: tried[winner] as string }, anyone());
});

test("a removed account is gone at once: credentials, personal data, belongings; its address is free", async () => {
  const fixture = await setUp();
  const { me, email, session, user, principal } = await register(fixture);
  await fixture.all.users.update({ display_name: "Ada", locale: "de", time_zone: "Europe/Vienna" }, me);
  const { secret } = await fixture.all.keys.create({ name: "k" }, me);
  expect(await fixture.all.users.remove({}, me)).toBeUndefined();

  expect(fixture.erased).toEqual([user.id]);
  expect(fixture.revoked).toEqual([{ userId: user.id }]);
  expect(await fixture.all.isAlive(principal)).toBe(false);
  for (const token of [session.access_token, secret]) {
    await expect(fixture.all.authenticate(bearer(token))).rejects.toEqual(problem("unauthenticated"));
  }
  await expect(fixture.all.sessions.create({ email, password }, anyone())).rejects.toEqual(
    problem("unauthenticated"),
  );
  await expect(refresh(fixture, session.refresh_token)).rejects.toEqual(problem("unauthenticated"));
  const rows = await fixture.sql.read.selectFrom("users").selectAll().where("id", "=", user.id).execute();
  const kept = ["id", "space_id", "display_name", "role", "status", "created_at", "deleted_at"];
  expect(Object.entries(rows[0] ?? {}).filter(([, value]) => value !== null)).toEqual(
    kept.map((name) => [name, name === "display_name" ? "" : expect.anything()]),
  );
  await create(fixture, email);
});

test("an erasure that is cut short is finished by the sweep, and then left alone", async () => {
  let isBroken = true;
  const erased: string[] = [];
  const erase = async (userId: string) => {
    if (isBroken) throw new Error("the store is away");
    erased.push(userId);
  };
  const before = await setUp({ owned: { erase } });
  const { me, user } = await register(before);
  await before.all.users.remove({}, me);
  const fixture = await before.restart();
  await fixture.clock.advance(60_000);
  await expect(fixture.all.sweep()).rejects.toThrow("the store is away");
  isBroken = false;
  await fixture.all.sweep();
  await fixture.all.sweep();
  expect(erased).toEqual([user.id]);
});

test("erasures that fail every time hold up no others", async () => {
  const broken = new Set<string>();
  const erased: string[] = [];
  const erase = async (userId: string) => {
    if (broken.has(userId)) throw new Error("never");
    erased.push(userId);
  };
  const fixture = await setUp({ owned: { erase } });
  const people = [];
  for (let n = 0; n < 22; n++) people.push(await register(fixture));
  const ids = people.map(({ user }) => user.id).sort();
  for (const id of ids.slice(0, 20)) broken.add(id);
  for (const { me } of people) await fixture.all.users.remove({}, me);
  erased.length = 0;
  await fixture.clock.advance(60_000);
  for (let n = 0; n < 3; n++) await fixture.all.sweep().catch(() => {});
  expect(erased.sort()).toEqual(ids.slice(20));
  broken.clear();
  for (let n = 0; n < 2; n++) await fixture.all.sweep();
  expect(erased.sort()).toEqual(ids);
});

test("the owner's account cannot be removed", async () => {
  const fixture = await setUp({ settings: { environmentApiKey: API_KEY } });
  const me = as(await fixture.all.authenticate(bearer(API_KEY)));
  await expect(fixture.all.users.remove({}, me)).rejects.toEqual(problem("forbidden"));
  expect(fixture.erased).toEqual([]);
});

test("the export holds the account, its keys without their secrets, and what the other modules hold", async () => {
  const owned = {
    export: (userId: string) => ({
      conversations: (async function* () {
        yield { of: userId };
      })(),
    }),
  };
  const fixture = await setUp({ owned });
  const { me, user } = await register(fixture);
  const { secret: _, ...key } = await fixture.all.keys.create({ name: "k" }, me);
  const exported = await fixture.all.users.export({}, me);
  expect(exported).toMatchObject({ user, keys: [key] });
  const { conversations } = exported as unknown as { conversations: AsyncIterable<unknown> };
  expect(await Array.fromAsync(conversations)).toEqual([{ of: user.id }]);
});

test("the sweep drops sessions and codes whose time is over, and no other", async () => {
  const fixture = await setUp();
  await register(fixture);
  await fixture.all.createSignInCode();
  const left = async () => [
    (await fixture.sql.read.selectFrom("sessions").select("id").execute()).length,
    (await fixture.sql.read.selectFrom("sign_in_codes").select("code_hash").execute()).length,
  ];
  await fixture.all.sweep();
  expect(await left()).toEqual([1, 1]);
  await fixture.clock.advance(3_600_000);
  await fixture.all.sweep();
  expect(await left()).toEqual([1, 0]);
  await fixture.clock.advance(30 * 86_400_000);
  await fixture.all.sweep();
  expect(await left()).toEqual([0, 0]);
});
