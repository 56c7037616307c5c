import { expect, test } from "vitest";
import { anyone, as, bearer, gatedReads, problem, refresh, register, setUp } from "./fixture.ts";

test("signing in gives the user and a pair of tokens that live half an hour", async () => {
  const fixture = await setUp();
  const { email, password, user } = await register(fixture);
  const signedIn = await fixture.all.sessions.create({ email: email.toUpperCase(), password }, anyone());
  expect(signedIn.user).toEqual(user);
  expect(signedIn.session).toMatchObject({ token_type: "Bearer", expires_in: 1_800 });
  const headers = bearer(signedIn.session.access_token);
  expect(await fixture.all.authenticate(headers)).toMatchObject({ userId: user.id, role: "user" });
  await fixture.clock.advance(1_799_000);
  await fixture.all.authenticate(headers);
  await fixture.clock.advance(1_000);
  await expect(fixture.all.authenticate(headers)).rejects.toEqual(
    problem("unauthenticated", { detail: "The access token has expired; refresh it." }),
  );
});

test("a wrong password, an unknown e-mail and an account without a password get the same answer", async () => {
  const fixture = await setUp();
  const { email } = await register(fixture);
  const answers = [];
  for (const tried of [email, "nobody@example.org", "owner@parley.local"]) {
    answers.push(
      await fixture.all.sessions
        .create({ email: tried, password: "wrong password" }, anyone())
        .catch((e) => e),
    );
  }
  for (const answer of answers) {
    expect(answer).toEqual(
      problem("unauthenticated", { detail: "The e-mail address or the password is wrong." }),
    );
  }
});

test("a password that is changed while it is being checked signs nobody in", async () => {
  const { gates, wrap } = gatedReads();
  const fixture = await setUp({ wrap });
  const { email, password } = await register(fixture);
  const { promise, resolve } = Promise.withResolvers<void>();
  gates.push(promise);
  const signingIn = fixture.all.sessions.create({ email, password }, anyone());
  await fixture.sql.write((tx) => tx.updateTable("users").set({ password_hash: "changed" }).execute());
  resolve();
  await expect(signingIn).rejects.toEqual(problem("unauthenticated"));
});

test("a suspended account cannot sign in, and is told so only with the right password", async () => {
  const fixture = await setUp();
  const { email, password } = await register(fixture);
  await fixture.sql.write((tx) => tx.updateTable("users").set({ status: "suspended" }).execute());
  const signIn = (text: string) => fixture.all.sessions.create({ email, password: text }, anyone());
  await expect(signIn(password)).rejects.toEqual(problem("forbidden"));
  await expect(signIn("wrong password")).rejects.toEqual(problem("unauthenticated"));
});

test("a refresh rotates: the new pair works and the used-up token ends the session, access tokens too", async () => {
  const fixture = await setUp();
  const { session, principal } = await register(fixture);
  const { session: second } = await refresh(fixture, session.refresh_token);
  const { session: third } = await refresh(fixture, second.refresh_token);
  await fixture.all.authenticate(bearer(third.access_token));

  await expect(refresh(fixture, session.refresh_token)).rejects.toEqual(problem("unauthenticated"));
  for (const { access_token } of [session, second, third]) {
    await expect(fixture.all.authenticate(bearer(access_token))).rejects.toEqual(problem("unauthenticated"));
  }
  await expect(refresh(fixture, third.refresh_token)).rejects.toEqual(problem("unauthenticated"));
  expect(fixture.revoked).toEqual([{ credentialId: principal.credential.id }]);
  expect(await fixture.all.isAlive(principal)).toBe(false);
});

test("the end by reuse holds over a restart", async () => {
  const before = await setUp();
  const { session } = await register(before);
  const { session: second } = await refresh(before, session.refresh_token);
  await expect(refresh(before, session.refresh_token)).rejects.toThrow();
  const after = await before.restart();
  await expect(after.all.authenticate(bearer(second.access_token))).rejects.toEqual(
    problem("unauthenticated"),
  );
});

test("a refresh token that is not ours ends nothing", async () => {
  const fixture = await setUp();
  const { session, principal } = await register(fixture);
  const { session: second } = await refresh(fixture, session.refresh_token);
  const [id, generation, mac] = (session.refresh_token as string).split(".") as [string, string, string];
  const forged = [
    "x",
    `${id}.${generation}.${"A".repeat(43)}`,
    `${id}.1.${mac}`,
    `${id}.01.${mac}`,
    `${id}.${generation}.${mac}.`,
    `${id}.${generation}`,
    `' or 1=1 --.0.${mac}`,
    session.access_token,
  ];
  for (const token of forged) {
    await expect(refresh(fixture, token), token).rejects.toEqual(problem("unauthenticated"));
  }
  expect(await fixture.all.isAlive(principal)).toBe(true);
  await refresh(fixture, second.refresh_token);
});

test("a refresh repeated with its key within 60 s gives another new pair, and the lost pair dies", async () => {
  const fixture = await setUp();
  const { session, principal } = await register(fixture);
  const { session: lost } = await refresh(fixture, session.refresh_token, "key-1");
  await fixture.all.authenticate(bearer(lost.access_token));
  await fixture.clock.advance(59_000);
  await fixture.all.authenticate(bearer(lost.access_token));
  const { session: kept } = await refresh(fixture, session.refresh_token, "key-1");

  await expect(fixture.all.authenticate(bearer(lost.access_token))).rejects.toEqual(
    problem("unauthenticated"),
  );
  await fixture.all.authenticate(bearer(kept.access_token));
  expect(await fixture.all.isAlive(principal)).toBe(true);
  expect(fixture.revoked).toEqual([]);
  const { session: next } = await refresh(fixture, kept.refresh_token);
  await fixture.all.authenticate(bearer(next.access_token));
});

test("a lost pair stays dead over a restart, and using its refresh token is reuse", async () => {
  const before = await setUp();
  const { session } = await register(before);
  const { session: lost } = await refresh(before, session.refresh_token, "key-1");
  const { session: kept } = await refresh(before, session.refresh_token, "key-1");
  const after = await before.restart();
  await expect(after.all.authenticate(bearer(lost.access_token))).rejects.toEqual(problem("unauthenticated"));
  await after.all.authenticate(bearer(kept.access_token));
  await expect(refresh(after, lost.refresh_token)).rejects.toEqual(problem("unauthenticated"));
  await expect(after.all.authenticate(bearer(kept.access_token))).rejects.toEqual(problem("unauthenticated"));
});

test.each([
  ["after 60 s", "key-1", 60_001, null],
  ["with another key", "key-2", 0, null],
  ["without a key", undefined, 0, null],
  ["after the new pair was used", "key-1", 0, "key-3"],
  ["after the new pair was used with the same key", "key-1", 0, "key-1"],
])("an old refresh token %s is reuse", async (_, key, waitMs, keyOfNext) => {
  const fixture = await setUp();
  const { session, principal } = await register(fixture);
  const { session: second } = await refresh(fixture, session.refresh_token, "key-1");
  if (keyOfNext) await refresh(fixture, second.refresh_token, keyOfNext);
  await fixture.clock.advance(waitMs);
  await expect(refresh(fixture, session.refresh_token, key)).rejects.toEqual(problem("unauthenticated"));
  expect(await fixture.all.isAlive(principal)).toBe(false);
});

test("the 60 s count from the first refresh, not from its repeats", async () => {
  const fixture = await setUp();
  const { session } = await register(fixture);
  await refresh(fixture, session.refresh_token, "key-1");
  await fixture.clock.advance(40_000);
  await refresh(fixture, session.refresh_token, "key-1");
  await fixture.clock.advance(40_000);
  await expect(refresh(fixture, session.refresh_token, "key-1")).rejects.toEqual(problem("unauthenticated"));
});

test("of two refreshes at once without a key one gets a pair, the other is reuse and ends the session", async () => {
  const fixture = await setUp();
  const { session, principal } = await register(fixture);
  const both = await Promise.allSettled([
    refresh(fixture, session.refresh_token),
    refresh(fixture, session.refresh_token),
  ]);
  expect(both.map((one) => one.status).sort()).toEqual(["fulfilled", "rejected"]);
  expect(await fixture.all.isAlive(principal)).toBe(false);
});

test("of two refreshes at once with one key the second is told to wait, and its repeat succeeds", async () => {
  const fixture = await setUp();
  const { session } = await register(fixture);
  const [first, second] = await Promise.allSettled([
    refresh(fixture, session.refresh_token, "key-1"),
    refresh(fixture, session.refresh_token, "key-1"),
  ]);
  expect(first.status).toBe("fulfilled");
  expect(second).toMatchObject({ reason: problem("in_flight", { retryAfterS: 1 }) });
  const { session: pair } = await refresh(fixture, session.refresh_token, "key-1");
  await fixture.all.authenticate(bearer(pair.access_token));
});

test("repeats of one refresh are bounded", async () => {
  const fixture = await setUp();
  const { session } = await register(fixture);
  const repeat = async () => {
    for (let n = 0; n < 100; n++) await refresh(fixture, session.refresh_token, "key-1");
  };
  await expect(repeat()).rejects.toEqual(problem("rate_limited", { retryAfterS: 60 }));
});

test("a session that was not refreshed for 30 days is over", async () => {
  const fixture = await setUp();
  const { session } = await register(fixture);
  await fixture.clock.advance(29 * 86_400_000);
  const { session: second } = await refresh(fixture, session.refresh_token);
  await fixture.clock.advance(30 * 86_400_000);
  await expect(refresh(fixture, second.refresh_token)).rejects.toEqual(problem("unauthenticated"));
});

test("signing out ends the session at once, for its refresh token too", async () => {
  const fixture = await setUp();
  const { session, me, principal } = await register(fixture);
  await fixture.all.authenticate(bearer(session.access_token));
  expect(await fixture.all.sessions.end({}, me)).toBeUndefined();
  await expect(fixture.all.authenticate(bearer(session.access_token))).rejects.toEqual(
    problem("unauthenticated"),
  );
  await expect(refresh(fixture, session.refresh_token)).rejects.toEqual(problem("unauthenticated"));
  expect(fixture.revoked).toEqual([{ credentialId: principal.credential.id }]);
});

test("a key has no session to end", async () => {
  const fixture = await setUp();
  const { me } = await register(fixture);
  const { secret } = await fixture.all.keys.create({ name: "k" }, me);
  const principal = await fixture.all.authenticate(bearer(secret));
  await expect(fixture.all.sessions.end({}, as(principal))).rejects.toEqual(problem("forbidden"));
});

test("a sign-in code signs the owner in once", async () => {
  const fixture = await setUp();
  const { code, expiresAt } = await fixture.all.createSignInCode();
  expect(Date.parse(expiresAt) - fixture.clock.now()).toBe(3_600_000);
  const tries = await Promise.allSettled(
    [1, 2, 3].map(() => fixture.all.sessions.create({ code }, anyone())),
  );
  const won = tries.filter((one) => one.status === "fulfilled");
  expect(won).toHaveLength(1);
  expect(won[0]?.value.user).toMatchObject({ role: "owner", email: "Owner@parley.local" });
  const { scopes } = await fixture.all.authenticate(bearer(won[0]?.value.session.access_token ?? ""));
  expect(scopes).toEqual(["chat", "characters", "account", "admin"]);
});

test("a sign-in code is dead after an hour, and a wrong one gets the same answer", async () => {
  const fixture = await setUp();
  const { code } = await fixture.all.createSignInCode();
  await fixture.clock.advance(3_600_000);
  for (const tried of [code, "wrong"]) {
    await expect(fixture.all.sessions.create({ code: tried }, anyone())).rejects.toEqual(
      problem("unauthenticated", {
        detail: "This code is wrong, used or expired; `parley sign-in-link` makes a new one.",
      }),
    );
  }
});

test("a sign-in repeated with its key after a kill is told that the secret was shown", async () => {
  const fixture = await setUp();
  const { email, password } = await register(fixture);
  const { code } = await fixture.all.createSignInCode();
  for (const input of [{ email, password }, { code }]) {
    const id = crypto.randomUUID();
    const context = anyone({ newId: () => id });
    await fixture.all.sessions.create(input, context);
    await expect(fixture.all.sessions.create(input, context)).rejects.toEqual(
      problem("secret_not_replayed", { detail: expect.stringContaining(id) }),
    );
  }
});

test("an address has 30 sign-ins and registrations a minute, and sees what is left", async () => {
  const fixture = await setUp();
  const context = anyone({ address: "2001:db8::1" });
  for (let n = 0; n < 30; n++) {
    await expect(fixture.all.sessions.create({ code: "wrong" }, context)).rejects.toEqual(
      problem("unauthenticated"),
    );
  }
  expect(context.limits.at(-1)?.policies[0]).toMatchObject({ max: 30, windowS: 60, remaining: 0 });
  const neighbour = anyone({ address: "2001:db8:0:ff::2" });
  const input = { email: "new@example.org", password: "correct horse" };
  await expect(fixture.all.users.create(input, neighbour)).rejects.toEqual(
    problem("rate_limited", { retryAfterS: 60 }),
  );
  expect(neighbour.limits).toHaveLength(1);
  await fixture.all.users.create(input, anyone({ address: "2001:db8:0:100::2" }));
});

test("wrong passwords on one account are limited from wherever they come; right ones are not counted", async () => {
  const fixture = await setUp({ settings: { signInsPerMinuteMax: 3 } });
  const { email, password } = await register(fixture);
  let n = 0;
  const signIn = (text: string) =>
    fixture.all.sessions.create({ email, password: text }, anyone({ address: `198.51.100.${n++}` }));
  for (let i = 0; i < 5; i++) await signIn(password);
  for (let i = 0; i < 3; i++) await expect(signIn("wrong one")).rejects.toEqual(problem("unauthenticated"));
  await expect(signIn("wrong one")).rejects.toEqual(problem("rate_limited"));
  await fixture.clock.advance(60_001);
  await signIn(password);
});
