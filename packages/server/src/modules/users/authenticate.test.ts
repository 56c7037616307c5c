import { SignJWT } from "jose";
import type { KyselyPlugin } from "kysely";
import { expect, test } from "vitest";
import { API_KEY, as, bearer, gatedReads, problem, refresh, register, setUp } from "./fixture.ts";
import { keyToken } from "./tokens.ts";

const withApiKey = { settings: { environmentApiKey: API_KEY } };

test("an access token, a key and the API_KEY open both doors, in every spelling of the scheme", async () => {
  const fixture = await setUp(withApiKey);
  const { session, me, user } = await register(fixture);
  const { secret, id } = await fixture.all.keys.create({ name: "k" }, me);
  const expected = [
    [session.access_token, { userId: user.id, credential: { kind: "session" } }],
    [secret, { userId: user.id, credential: { kind: "key", id } }],
    [API_KEY, { role: "owner", credential: { kind: "environment" } }],
  ] as const;
  for (const [token, principal] of expected) {
    for (const headers of [
      bearer(token),
      { authorization: `bearer  ${token}` },
      { authorization: `BEARER\t${token} ` },
      { apiKey: token },
      { apiKey: [token], authorization: "" },
    ]) {
      expect(await fixture.all.authenticate(headers)).toMatchObject(principal);
    }
  }
});

test("more than one credential is refused, good or bad, before any is looked at", async () => {
  const fixture = await setUp(withApiKey);
  const { session } = await register(fixture);
  const token = session.access_token;
  for (const headers of [
    { ...bearer(token), apiKey: token },
    { ...bearer("x"), apiKey: API_KEY },
    { authorization: "Basic eDp5", apiKey: API_KEY },
    { authorization: [`Bearer ${token}`, `Bearer ${token}`] },
    { authorization: `Bearer ${token}, Bearer ${token}` },
    { apiKey: [API_KEY, API_KEY] },
    { apiKey: `${token}, ${token}` },
    { apiKey: `${API_KEY}, ${token}` },
  ]) {
    await expect(fixture.all.authenticate(headers), JSON.stringify(headers)).rejects.toEqual(
      problem("several_credentials"),
    );
  }
});

test("without a credential, or with one that is none, the answer is 401", async () => {
  const fixture = await setUp(withApiKey);
  const { secret } = await fixture.all.keys.create({ name: "k" }, (await register(fixture)).me);
  const changed = `${secret.slice(0, -1)}${secret.endsWith("0") ? "1" : "0"}`;
  for (const headers of [
    {},
    { authorization: "" },
    { authorization: "Bearer" },
    { authorization: "Bearer  " },
    { authorization: secret },
    { authorization: `Basic ${secret}` },
    bearer(changed),
    bearer(secret.toUpperCase()),
    bearer(`${secret} x`),
    bearer(keyToken(crypto.randomUUID(), new Uint8Array(32)).token),
    bearer(API_KEY.slice(0, 10)),
    bearer("' or 1=1 --"),
    bearer("pk_00000000000000000000000000000000.' or ''='"),
    bearer("\0"),
    bearer("a.b.c"),
    bearer("x".repeat(100_000)),
  ]) {
    await expect(fixture.all.authenticate(headers), JSON.stringify(headers)).rejects.toEqual(
      problem("unauthenticated"),
    );
  }
});

test("a key with another's secret is no key", async () => {
  const fixture = await setUp();
  const { me } = await register(fixture);
  const { id } = await fixture.all.keys.create({ name: "a" }, me);
  const { token } = keyToken(id, new Uint8Array(32).fill(1));
  await expect(fixture.all.authenticate(bearer(token))).rejects.toEqual(problem("unauthenticated"));
});

test("what cannot be a key or token is refused without asking the store", async () => {
  const fixture = await setUp();
  const { secret } = await fixture.all.keys.create({ name: "k" }, (await register(fixture)).me);
  await fixture.sql.close();
  await expect(fixture.all.authenticate(bearer(`${secret.slice(0, -8)}00000000`))).rejects.toEqual(
    problem("unauthenticated"),
  );
  await expect(fixture.all.authenticate(bearer("a.b.c"))).rejects.toEqual(problem("unauthenticated"));
});

test("API_KEY may be any text, beyond ASCII too, and an empty one opens nothing", async () => {
  const fixture = await setUp({ settings: { environmentApiKey: "schlüssel, ✓ mit komma" } });
  const asSent = Buffer.from("schlüssel, ✓ mit komma").toString("latin1");
  expect(await fixture.all.authenticate({ apiKey: asSent })).toMatchObject({ role: "owner" });
  expect(await fixture.all.authenticate({ apiKey: "schlüssel, ✓ mit komma" })).toMatchObject({
    role: "owner",
  });
  const without = await fixture.restart({ environmentApiKey: "" });
  for (const headers of [{ apiKey: "" }, { apiKey: " " }, { authorization: "Bearer " }]) {
    await expect(without.all.authenticate(headers)).rejects.toEqual(problem("unauthenticated"));
  }
});

test("a token is refused unless it is ours to the letter", async () => {
  const fixture = await setUp();
  const { session, user, principal } = await register(fixture);
  const nowS = Math.floor(fixture.clock.now() / 1_000);
  const claims = {
    iss: "parley",
    aud: "parley:api",
    sub: user.id,
    sid: principal.credential.id,
    generation: 0,
    iat: nowS,
    exp: nowS + 60,
  };
  const { hkdfSync } = await import("node:crypto");
  const secret = new Uint8Array(32).fill(7);
  const key = new Uint8Array(hkdfSync("sha256", secret, "", "parley access tokens", 32));
  const sign = (
    header: Record<string, unknown> = {},
    changes: Record<string, unknown> = {},
    signingKey: Uint8Array = key,
  ) =>
    new SignJWT({ ...claims, ...changes })
      .setProtectedHeader({ alg: "HS256", typ: "at+jwt", ...header })
      .sign(signingKey);

  expect(await fixture.all.authenticate(bearer(await sign()))).toEqual(principal);
  const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const [head, body, mac] = session.access_token.split(".") as [string, string, string];
  const forged = {
    "no algorithm": `${part({ alg: "none", typ: "at+jwt" })}.${body}.`,
    "no algorithm, with a signature": `${part({ alg: "none", typ: "at+jwt" })}.${body}.${mac}`,
    "another body": `${head}.${part({ ...claims, sub: "x" })}.${mac}`,
    "an empty signature": `${head}.${body}.`,
    "another algorithm of the family": await sign({ alg: "HS512" }, {}, new Uint8Array(64).fill(7)),
    "another key": await sign({}, {}, new Uint8Array(32).fill(8)),
    "the bare secret as key": await sign({}, {}, secret),
    "another type": await sign({ typ: "JWT" }),
    "no type": await sign({ typ: undefined }),
    "a key's address": await sign({ jku: "https://example.org/jwks.json" }),
    "a certificate's address": await sign({ x5u: "https://example.org/x.pem" }),
    "a key of its own": await sign({ jwk: { kty: "oct", k: "AAAA" } }),
    "a critical extension": `${part({ alg: "HS256", typ: "at+jwt", crit: ["x"], x: 1 })}.${body}.${mac}`,
    "another issuer": await sign({}, { iss: "other" }),
    "another audience": await sign({}, { aud: "other" }),
    "no audience": await sign({}, { aud: undefined }),
    "no expiry": await sign({}, { exp: undefined }),
    "an expiry in the past": await sign({}, { exp: nowS - 1 }),
    "a text as expiry": await sign({}, { exp: String(nowS + 60) }),
    "not yet": await sign({}, { nbf: nowS + 30 }),
    "no subject": await sign({}, { sub: undefined }),
    "no session": await sign({}, { sid: undefined }),
    "another session": await sign({}, { sid: crypto.randomUUID() }),
    "no generation": await sign({}, { generation: undefined }),
    "a broken generation": await sign({}, { generation: -0.5 }),
    "trailing bytes": `${session.access_token}A`,
    "a fourth part": `${session.access_token}.A`,
  };
  for (const [name, token] of Object.entries(forged)) {
    await expect(fixture.all.authenticate(bearer(token)), name).rejects.toEqual(problem("unauthenticated"));
  }
});

test("a secret that is too short to sign with is refused at start", async () => {
  const { createTokens } = await import("./tokens.ts");
  const { systemClock } = await import("../../kit/clock.ts");
  expect(() => createTokens({ secret: new Uint8Array(0), clock: systemClock })).toThrow("32 bytes");
});

test.each(["suspended", "deleted"] as const)(
  "no credential of a %s account is good after a second",
  async (status) => {
    const fixture = await setUp(withApiKey);
    const { session, me, principal } = await register(fixture);
    const { secret } = await fixture.all.keys.create({ name: "k" }, me);
    const doors = [session.access_token, secret, API_KEY].flatMap((token) => [
      bearer(token),
      { apiKey: token },
    ]);
    for (const headers of doors) await fixture.all.authenticate(headers);
    // As another process would, without a word of it.
    await fixture.sql.write((tx) => tx.updateTable("users").set({ status }).execute());
    await fixture.clock.advance(1_000);
    for (const headers of doors) {
      await expect(fixture.all.authenticate(headers)).rejects.toEqual(problem("unauthenticated"));
    }
    expect(await fixture.all.isAlive(principal)).toBe(false);
    await expect(refresh(fixture, session.refresh_token)).rejects.toEqual(problem("unauthenticated"));
  },
);

test("within a second a known token is not looked up again", async () => {
  const fixture = await setUp();
  const { session, principal } = await register(fixture);
  await fixture.clock.advance(2_000);
  await fixture.all.authenticate(bearer(session.access_token));
  await fixture.sql.close();
  await fixture.clock.advance(999);
  expect(await fixture.all.authenticate(bearer(session.access_token))).toEqual(principal);
  await fixture.clock.advance(1);
  await expect(fixture.all.authenticate(bearer(session.access_token))).rejects.toThrow();
});

test("a revocation that another process announces ends the credential here at once", async () => {
  const { createRevocations } = await import("./revocations.ts");
  const { createMemoryPubSub } = await import("../../ports/pubsub/memory.ts");
  const pubsub = createMemoryPubSub();
  const ids = ["here", "there"];
  const [here, there] = [1, 2].map(() => createRevocations({ pubsub, newId: () => ids.pop() ?? "" }));
  const heard: unknown[] = [];
  here?.listen((news) => heard.push(news));
  here?.listen(() => {
    throw new Error("a bad listener");
  });
  there?.announce({ userId: "u" });
  here?.announce({ credentialId: "c" });
  for (const junk of [null, "x", {}, { userId: 7 }]) pubsub.publish("auth.revoked", junk);
  expect(heard).toEqual([{ userId: "u" }, { credentialId: "c" }]);
});

test("a state that was read before a revocation is not believed after it", async () => {
  const { gates, wrap } = gatedReads();
  const fixture = await setUp({ wrap });
  const { session, me } = await register(fixture);
  await fixture.clock.advance(1_000);
  const { promise, resolve } = Promise.withResolvers<void>();
  gates.push(promise);
  const reading = fixture.all.authenticate(bearer(session.access_token));
  await fixture.sql.write(async () => {}); // by then the state was read, but has not arrived
  await fixture.all.sessions.end({}, me);
  resolve();
  await expect(reading).rejects.toEqual(problem("unauthenticated"));
  expect(gates).toEqual([]);
});

test("the check of an open stream asks the store once, and hears of a revocation at once", async () => {
  let reads = 0;
  const count: KyselyPlugin = {
    transformQuery({ node }) {
      reads++;
      return node;
    },
    transformResult: async ({ result }) => result,
  };
  const fixture = await setUp({ wrap: (sql) => ({ ...sql, read: sql.read.withPlugin(count) }) });
  const { principal, me } = await register(fixture);
  expect(await fixture.all.isAlive(principal)).toBe(true);
  reads = 0;
  for (let second = 0; second < 100; second++) {
    await fixture.clock.advance(1_000);
    expect(await fixture.all.isAlive(principal)).toBe(true);
  }
  expect(reads).toBe(0);
  await fixture.all.sessions.end({}, me);
  expect(await fixture.all.isAlive(principal)).toBe(false);
});

test("an open stream's principal outlives its access token, but not its session or key", async () => {
  const fixture = await setUp();
  const { principal, me } = await register(fixture);
  const key = await fixture.all.keys.create(
    { name: "k", expires_at: new Date(fixture.clock.now() + 3_600_000).toISOString() },
    me,
  );
  const byKey = await fixture.all.authenticate(bearer(key.secret));
  await fixture.clock.advance(1_900_000);
  expect(await fixture.all.isAlive(principal)).toBe(true);
  expect(await fixture.all.isAlive(byKey)).toBe(true);
  await fixture.clock.advance(1_700_000);
  expect(await fixture.all.isAlive(byKey)).toBe(false);
  await fixture.all.sessions.end({}, as(principal));
  expect(await fixture.all.isAlive(principal)).toBe(false);
});

test("a session that is refreshed keeps its open streams, however long ago they were opened", async () => {
  const fixture = await setUp();
  const { session, principal } = await register(fixture);
  const halfLifeMs = 15 * 24 * 3_600_000;
  let token = session.refresh_token;
  for (let n = 0; n < 4; n++) {
    await fixture.clock.advance(halfLifeMs);
    expect(await fixture.all.isAlive(principal)).toBe(true);
    token = (await refresh(fixture, token)).session.refresh_token;
  }
  await fixture.clock.advance(2 * halfLifeMs);
  expect(await fixture.all.isAlive(principal)).toBe(false);
});
