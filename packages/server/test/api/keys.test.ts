import type { Key } from "@parley-chat/sdk/contract";
import { afterAll, beforeAll, expect, test } from "vitest";
import { OWNER_KEY, type Server, startServer } from "../rig/server.ts";
import {
  aMomentLater,
  call,
  codeOf,
  expectProblem,
  manyAddresses,
  newPerson,
  type Person,
  until,
} from "./helpers.ts";

let server: Server;
let ann: Person;

beforeAll(async () => {
  server = await startServer({ env: { ...manyAddresses, DEFAULT_LLM_PROVIDER: "demo" } });
  ann = await newPerson(server);
});
afterAll(async () => {
  await server?.kill();
});

test("without scopes a key has all but admin; its secret is shown once and its prefix begins it", async () => {
  const made = await ann.client.keys.create({ name: "all" });
  expect(made).toEqual({
    id: expect.any(String),
    name: "all",
    scopes: ["chat", "characters", "account"],
    prefix: expect.any(String),
    secret: expect.any(String),
    created_at: expect.any(String),
  });
  expect(made.secret.startsWith(made.prefix)).toBe(true);
  expect(made.secret.length).toBeGreaterThan(made.prefix.length + 32);
  const { items } = await ann.client.keys.list();
  expect(items.find(({ id }) => id === made.id)).not.toHaveProperty("secret");
});

test("a key opens what its scopes name and nothing else", async () => {
  const tries: Record<string, [method: string, path: string, json?: unknown][]> = {
    chat: [
      ["GET", "/conversations"],
      ["POST", "/conversations", {}],
    ],
    characters: [["POST", "/characters", {}]],
    account: [
      ["GET", "/keys"],
      ["PATCH", "/users/me", {}],
      ["GET", "/users/me/export"],
    ],
  };
  for (const scope of Object.keys(tries) as ("chat" | "characters" | "account")[]) {
    const { secret } = await ann.client.keys.create({ name: scope, scopes: [scope] });
    for (const [needed, calls] of Object.entries(tries)) {
      for (const [method, path, json] of calls) {
        const answer = await call(server, method, `/api/v2${path}`, { token: secret, json });
        if (needed === scope) expect(answer.status).not.toBe(403);
        else expect(expectProblem(answer, 403, "forbidden").detail).toContain(needed);
      }
    }
    for (const path of ["/users/me", "/characters", "/models"]) {
      expect((await call(server, "GET", `/api/v2${path}`, { token: secret })).status).toBe(200);
    }
  }
});

test("no credential gives away more than it has", async () => {
  const { secret } = await ann.client.keys.create({ name: "account", scopes: ["account"] });
  const { keys } = server.client(secret);
  expect(await codeOf(keys.create({ name: "more", scopes: ["chat"] }))).toBe("forbidden");
  expect(await codeOf(keys.create({ name: "more" }))).toBe("forbidden");
  expect((await keys.create({ name: "same", scopes: ["account"] })).scopes).toEqual(["account"]);
  expect(await codeOf(ann.client.keys.create({ name: "admin", scopes: ["admin"] }))).toBe("forbidden");
  expect((await server.owner.keys.create({ name: "admin", scopes: ["admin"] })).scopes).toEqual(["admin"]);
});

test("scopes are known ones, each once, at least one", async () => {
  for (const scopes of [[], ["chat", "chat"], ["everything"], ["CHAT"]]) {
    const answer = await call(server, "POST", "/api/v2/keys", {
      token: ann.token,
      json: { name: "x", scopes },
    });
    expectProblem(answer, 422, "validation_failed");
  }
});

test("a key cannot set a password, with which it would open all that its owner may", async () => {
  const made = await server.owner.keys.create({ name: "small", scopes: ["account"] });
  const password = "a password of eight";
  const change = { token: made.secret, json: { password } };
  expectProblem(await call(server, "PATCH", "/api/v2/users/me", change), 403, "forbidden");
  const signIn = { json: { email: "owner@parley.local", password } };
  expectProblem(await call(server, "POST", "/api/v2/sessions", signIn), 401, "unauthenticated");
});

test("a key works while it has not expired, and no more once it has", async () => {
  const expiringIn = (ms: number) => {
    const expires_at = new Date(Date.now() + ms).toISOString();
    return ann.client.keys.create({ name: "expires", expires_at });
  };
  const statusOf = async (token: string) => (await call(server, "GET", "/api/v2/users/me", { token })).status;
  const long = await expiringIn(3_600_000);
  expect(await statusOf(long.secret)).toBe(200);
  expect((await ann.client.keys.list()).items.find(({ id }) => id === long.id)?.expires_at).toBe(
    long.expires_at,
  );
  // A machine that is too slow for the first gets the second.
  const short = await expiringIn(2_000).catch(() => expiringIn(20_000));
  await until(() => Date.now() > Date.parse(short.expires_at as string));
  expect(await statusOf(short.secret)).toBe(401);
  for (const past of [new Date(Date.now() - 1_000).toISOString(), "tomorrow", "2027-01-01"]) {
    expect(await codeOf(ann.client.keys.create({ name: "x", expires_at: past }))).toBe("validation_failed");
  }
});

test("the list shows when a key was last used, newest first, page by page, without the revoked ones", async () => {
  const ben = await newPerson(server);
  const made: Key[] = [];
  for (let n = 0; n < 5; n++)
    made.push(await aMomentLater(await ben.client.keys.create({ name: `key ${n}` })));
  const used = made[2] as Key & { secret: string };
  await server.client(used.secret).users.me();
  await ben.client.keys.remove({ key_id: made[1]?.id as string });
  const names: string[] = [];
  let cursor: string | undefined;
  do {
    const page = await ben.client.keys.list({ limit: 2, ...(cursor && { cursor }) });
    names.push(...page.items.map(({ name }) => name));
    cursor = page.next_cursor ?? undefined;
  } while (cursor);
  expect(names).toEqual(["key 4", "key 3", "key 2", "key 0"]);
  await until(async () => {
    const { items } = await ben.client.keys.list();
    return items.find(({ id }) => id === used.id)?.last_used_at !== undefined;
  });
});

test("a revoked key is dead in the very next call; another's key cannot be revoked", async () => {
  const ben = await newPerson(server);
  const key = await ann.client.keys.create({ name: "k" });
  expect(await codeOf(ben.client.keys.remove({ key_id: key.id }))).toBe("not_found");
  expect((await server.client(key.secret).users.me()).id).toBe(ann.id);
  await ann.client.keys.remove({ key_id: key.id });
  expect(await codeOf(server.client(key.secret).users.me())).toBe("unauthenticated");
});

test("a key revokes itself", async () => {
  const key = await ann.client.keys.create({ name: "k" });
  const own = server.client(key.secret);
  await own.keys.remove({ key_id: key.id });
  expect(await codeOf(own.users.me())).toBe("unauthenticated");
});

test("keys and revocations hold over a kill", async () => {
  const kept = await ann.client.keys.create({ name: "kept" });
  const revoked = await ann.client.keys.create({ name: "revoked" });
  await ann.client.keys.remove({ key_id: revoked.id });
  await server.kill();
  server = await startServer({
    dataDir: server.dataDir,
    env: { ...manyAddresses, DEFAULT_LLM_PROVIDER: "demo" },
  });
  const status = async (token: string) => (await call(server, "GET", "/api/v2/users/me", { token })).status;
  expect(await status(kept.secret)).toBe(200);
  expect(await status(ann.token)).toBe(200);
  expect(await status(revoked.secret)).toBe(401);
  expect(await status(OWNER_KEY)).toBe(200);
});
