import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { newSignInCode, OWNER_KEY, type Server, startServer } from "../rig/server.ts";
import { answering, startUpstream, type Upstream } from "../rig/upstream.ts";
import {
  call,
  codeOf,
  expectProblem,
  manyAddresses,
  newAddress,
  newConversation,
  newPerson,
  type SignedIn,
  say,
} from "./helpers.ts";

let server: Server;
let upstream: Upstream;

beforeAll(async () => {
  upstream = await startUpstream(answering("Hello."));
  server = await startServer({ env: { ...upstream.env, ...manyAddresses } });
});
afterAll(async () => {
  await server?.kill();
  upstream?.close();
});

const post = <T = SignedIn>(path: string, json: object) =>
  call<T>(server, "POST", `/api/v2${path}`, { json, headers: newAddress() });
const meStatus = async (token: string) => (await call(server, "GET", "/api/v2/users/me", { token })).status;
const signIn = ({ email, password }: { email: string; password: string }) =>
  post("/sessions", { email, password });

describe("registering", () => {
  test("makes a user and a session that works at once, with an access token of 30 minutes", async () => {
    const email = `${randomUUID()}@example.org`;
    const { status, body } = await post("/users", { email, password: "12345678", display_name: "Ann" });
    expect(status).toBe(201);
    expect(body).toEqual({
      user: {
        id: expect.any(String),
        email,
        display_name: "Ann",
        role: "user",
        created_at: expect.any(String),
      },
      session: {
        access_token: expect.any(String),
        refresh_token: expect.any(String),
        token_type: "Bearer",
        expires_in: 1_800,
      },
    });
    expect(await server.client(body.session.access_token).users.me()).toEqual(body.user);
  });

  test("an e-mail address has one account, whatever its case", async () => {
    const name = randomUUID();
    expect((await post("/users", { email: `${name}@Example.org`, password: "12345678" })).status).toBe(201);
    const other = await post("/users", { email: `${name.toUpperCase()}@example.ORG`, password: "87654321" });
    expectProblem(other, 409, "email_taken");
    const both = { email: `${randomUUID()}@example.org`, password: "12345678" };
    const race = await Promise.all([post("/users", both), post("/users", both), post("/users", both)]);
    expect(race.map(({ status }) => status).sort()).toEqual([201, 409, 409]);
    expect((await signIn({ email: `${name}@EXAMPLE.org`, password: "12345678" })).status).toBe(201);
  });

  test("a password has 8 to 256 characters", async () => {
    const withPassword = (password: string) => post("/users", { email: `${randomUUID()}@x.org`, password });
    expectProblem(await withPassword("1234567"), 422, "validation_failed");
    expectProblem(await withPassword("x".repeat(257)), 422, "validation_failed");
    expect((await withPassword("🦉".repeat(256))).status).toBe(201);
    for (const email of ["", "x", "@", "a b@c.d", `${"x".repeat(255)}@x.org`]) {
      expectProblem(await post("/users", { email, password: "12345678" }), 422, "validation_failed");
    }
  });

  test("nobody makes themselves the owner", async () => {
    const email = `${randomUUID()}@example.org`;
    expectProblem(
      await post("/users", { email, password: "12345678", role: "owner" }),
      422,
      "validation_failed",
    );
    expectProblem(
      await post("/users", { email: "OWNER@parley.local", password: "12345678" }),
      409,
      "email_taken",
    );
  });

  test("is refused where it is closed, and closed by default beyond loopback", async () => {
    for (const env of [{ PARLEY_REGISTRATION: "closed" }, { HOST: "0.0.0.0" }]) {
      const closed = await startServer({ env: { ...upstream.env, ...env } });
      const json = { email: "ann@example.org", password: "12345678" };
      expectProblem(await call(closed, "POST", "/api/v2/users", { json }), 403, "forbidden");
      await closed.kill();
    }
  });
});

describe("signing in", () => {
  test("a wrong password and an unknown address give the same answer", async () => {
    const ann = await newPerson(server);
    const wrong = await signIn({ email: ann.email, password: "not the one" });
    const unknown = await signIn({ email: `${randomUUID()}@example.org`, password: "not the one" });
    const [a, b] = [wrong, unknown].map((answer) => expectProblem(answer, 401, "unauthenticated"));
    expect({ ...a, request_id: "" }).toEqual({ ...b, request_id: "" });
    expect((await signIn(ann)).body.user.id).toBe(ann.id);
  });

  test("the owner without a password cannot be guessed into", async () => {
    for (const password of ["", "owner", "null", "undefined"]) {
      expectProblem(await signIn({ email: "owner@parley.local", password }), 401, "unauthenticated");
    }
  });

  test("the code of a sign-in link signs the owner in, once; of many at once one gets in", async () => {
    const [first, second] = await Promise.all([newSignInCode(server), newSignInCode(server)]);
    const answers = await Promise.all(Array.from({ length: 5 }, () => post("/sessions", { code: first })));
    expect(answers.map(({ status }) => status).sort()).toEqual([201, 401, 401, 401, 401]);
    const session = answers.find(({ status }) => status === 201);
    expect(session?.body.user).toMatchObject({ role: "owner", email: "owner@parley.local" });
    expectProblem(await post("/sessions", { code: first }), 401, "unauthenticated");
    expect((await post("/sessions", { code: second })).status).toBe(201);
    expect(server.stderr()).not.toContain(first);
  });
});

describe("refreshing", () => {
  test("rotates: a new pair each time, the old access token goes on until its end", async () => {
    const ann = await newPerson(server);
    const { status, body } = await post("/sessions/refresh", { refresh_token: ann.refreshToken });
    expect(status).toBe(201);
    expect(body.user.id).toBe(ann.id);
    expect(body.session.refresh_token).not.toBe(ann.refreshToken);
    expect(await meStatus(body.session.access_token)).toBe(200);
    expect(await meStatus(ann.token)).toBe(200);
  });

  test("the use of an old one ends the family with its access tokens, and no other session", async () => {
    const ann = await newPerson(server);
    const other = await signIn(ann);
    const { body } = await post("/sessions/refresh", { refresh_token: ann.refreshToken });
    expectProblem(
      await post("/sessions/refresh", { refresh_token: ann.refreshToken }),
      401,
      "unauthenticated",
    );
    expect(await meStatus(ann.token)).toBe(401);
    expect(await meStatus(body.session.access_token)).toBe(401);
    expectProblem(
      await post("/sessions/refresh", { refresh_token: body.session.refresh_token }),
      401,
      "unauthenticated",
    );
    expect(await meStatus(other.body.session.access_token)).toBe(200);
  });

  test("takes refresh tokens of ours and nothing else", async () => {
    const ann = await newPerson(server);
    const [session, generation, mac] = ann.refreshToken.split(".") as [string, string, string];
    const bad = [
      ...[ann.token, "x", `${session}.${Number(generation) + 1}.${mac}`, `${ann.refreshToken}x`],
      `${randomUUID()}.${generation}.${mac}`,
    ];
    for (const refresh_token of bad) {
      expectProblem(await post("/sessions/refresh", { refresh_token }), 401, "unauthenticated");
    }
    expect(await meStatus(ann.token)).toBe(200);
  });
});

describe("signing out", () => {
  test("ends this session, refresh token included, and no other", async () => {
    const ann = await newPerson(server);
    const other = await signIn(ann);
    expect((await call(server, "DELETE", "/api/v2/sessions/current", { token: ann.token })).status).toBe(204);
    expect(await meStatus(ann.token)).toBe(401);
    expectProblem(
      await post("/sessions/refresh", { refresh_token: ann.refreshToken }),
      401,
      "unauthenticated",
    );
    expect(await meStatus(other.body.session.access_token)).toBe(200);
  });

  test("a key has no session to end", async () => {
    expectProblem(
      await call(server, "DELETE", "/api/v2/sessions/current", { token: OWNER_KEY }),
      403,
      "forbidden",
    );
    expect(await meStatus(OWNER_KEY)).toBe(200);
  });
});

describe("my account", () => {
  test("name, locale and time zone change; null clears the two that may be absent", async () => {
    const { client } = await newPerson(server);
    const changed = await client.users.update({
      display_name: "Zoë",
      locale: "de-at",
      time_zone: "Europe/Vienna",
    });
    expect(changed).toMatchObject({ display_name: "Zoë", locale: "de-AT", time_zone: "Europe/Vienna" });
    expect(await client.users.me()).toEqual(changed);
    const cleared = await client.users.update({ locale: null, time_zone: null });
    expect(Object.keys(cleared)).not.toEqual(expect.arrayContaining(["locale"]));
    expect(Object.keys(cleared)).not.toEqual(expect.arrayContaining(["time_zone"]));
    expect(await codeOf(client.users.update({ time_zone: "Mars/Olympus" }))).toBe("validation_failed");
    expect(await codeOf(client.users.update({ locale: "not a locale" }))).toBe("validation_failed");
  });

  test("a new password needs the old one, ends every other session and keeps this one", async () => {
    const ann = await newPerson(server);
    const other = await signIn(ann);
    const { update } = ann.client.users;
    expect(await codeOf(update({ password: "a new password" }))).toBe("validation_failed");
    expect(await codeOf(update({ password: "a new password", current_password: "wrong" }))).toBe(
      "validation_failed",
    );
    await update({ password: "a new password", current_password: ann.password });
    expect(await meStatus(ann.token)).toBe(200);
    expect(await meStatus(other.body.session.access_token)).toBe(401);
    const { refresh_token } = other.body.session;
    expectProblem(await post("/sessions/refresh", { refresh_token }), 401, "unauthenticated");
    expectProblem(await signIn(ann), 401, "unauthenticated");
    expect((await signIn({ ...ann, password: "a new password" })).status).toBe(201);
  });

  test("the export holds all that is mine and no secret; nothing of anyone else", async () => {
    const [ann, ben] = [await newPerson(server), await newPerson(server)];
    const key = await ann.client.keys.create({ name: "a key of mine" });
    const { id, character_ids } = await newConversation(ann.client, {
      name: "Vera",
      description: "canary-card",
    });
    const { message } = await say(ann.client, id, "canary-message");
    await ann.client.messages.remove({ message_id: message.id }).catch(() => {});
    await say(ann.client, id, "canary-kept");
    await newConversation(ben.client, { name: "canary-of-ben" });
    const { status, text, body } = await call<Record<string, unknown>>(
      server,
      "GET",
      "/api/v2/users/me/export",
      {
        token: ann.token,
      },
    );
    expect(status).toBe(200);
    expect(body).toMatchObject({
      user: { id: ann.id, email: ann.email },
      keys: [{ id: key.id, name: "a key of mine" }],
      characters: [{ id: character_ids[0] }],
      conversations: [{ id }],
    });
    for (const mine of ["canary-card", "canary-kept", "Hello."]) expect(text).toContain(mine);
    for (const secret of [ann.password, key.secret, ann.token, ann.refreshToken, "argon2", "canary-of-ben"]) {
      expect(text).not.toContain(secret);
    }
  });

  test("erasing ends every credential, empties what was mine and frees the address", async () => {
    const ann = await newPerson(server);
    const ben = await newPerson(server);
    const key = await ann.client.keys.create({ name: "k" });
    const { id, character_ids } = await newConversation(ann.client, { name: "Vera", visibility: "public" });
    const hers = { character_id: character_ids[0] as string };
    const his = await ben.client.conversations.create({ character_ids });
    const { turn, reply } = await say(ann.client, id, "Hi.");
    expect((await call(server, "DELETE", "/api/v2/users/me", { token: ann.token })).status).toBe(204);
    for (const token of [ann.token, key.secret]) {
      for (const path of [
        ...["/users/me", "/characters", "/conversations", `/conversations/${id}`],
        ...[`/messages/${reply.id}`, `/turns/${turn.id}`, `/turns/${turn.id}/events`],
      ]) {
        expectProblem(await call(server, "GET", `/api/v2${path}`, { token }), 401, "unauthenticated");
      }
    }
    expectProblem(await signIn(ann), 401, "unauthenticated");
    const { refreshToken: refresh_token } = ann;
    expectProblem(await post("/sessions/refresh", { refresh_token }), 401, "unauthenticated");
    expect(await codeOf(ben.client.characters.get(hers))).toBe("not_found");
    expect((await ben.client.conversations.get({ conversation_id: his.id })).id).toBe(his.id);
    expect(await codeOf(ben.client.messages.send({ conversation_id: his.id, content: "Hi." }))).toBe(
      "character_deleted",
    );
    const again = await post("/users", { email: ann.email, password: "12345678" });
    expect(again.status).toBe(201);
    expect(again.body.user.id).not.toBe(ann.id);
    const fresh = server.client(again.body.session.access_token);
    expect((await fresh.conversations.list()).items).toEqual([]);
  });

  test("the owner's account cannot be erased", async () => {
    expect(await codeOf(server.owner.users.remove())).toBe("forbidden");
  });
});

describe("the owner", () => {
  test("sees nobody else's characters or conversations, by id or in a list", async () => {
    const ann = await newPerson(server);
    const { id, character_ids } = await newConversation(ann.client, { name: "Private" });
    const { message, turn } = await say(ann.client, id, "Hi.");
    const { owner } = server;
    const character_id = character_ids[0] as string;
    const refused = [
      () => owner.conversations.get({ conversation_id: id }),
      () => owner.messages.list({ conversation_id: id }),
      () => owner.messages.get({ message_id: message.id }),
      () => owner.turns.get({ turn_id: turn.id }),
      () => owner.characters.get({ character_id }),
    ];
    for (const refuse of refused) expect(await codeOf(refuse())).toBe("not_found");
    expect((await owner.conversations.list()).items).toEqual([]);
    expect((await owner.characters.list()).items.map(({ name }) => name)).not.toContain("Private");
  });

  test("takes its e-mail address from the setting, and keeps what it owns when that changes", async () => {
    const first = await startServer({ env: { ...upstream.env, PARLEY_OWNER_EMAIL: "first@example.org" } });
    const before = await first.owner.users.me();
    expect(before.email).toBe("first@example.org");
    await first.kill();
    const second = await startServer({
      dataDir: first.dataDir,
      env: { ...upstream.env, PARLEY_OWNER_EMAIL: "second@example.org" },
    });
    expect(await second.owner.users.me()).toEqual({ ...before, email: "second@example.org" });
    await second.kill();
  });
});
