import type { Turn } from "@parley-chat/sdk/contract";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type Server, startServer } from "../rig/server.ts";
import { startUpstream, type Upstream, type UpstreamCall } from "../rig/upstream.ts";
import {
  call,
  manyAddresses,
  newAddress,
  newConversation,
  newPerson,
  type Person,
  type SignedIn,
  until,
} from "./helpers.ts";

let server: Server;
let upstream: Upstream;
let ann: Person;
let key: { id: string; secret: string };
let turn: Turn;
let model: UpstreamCall;

beforeAll(async () => {
  upstream = await startUpstream();
  server = await startServer({ env: { ...upstream.env, ...manyAddresses } });
});
afterAll(async () => {
  await server?.kill();
  upstream?.close();
});

/** Someone in the middle of a reply. */
beforeEach(async () => {
  ann = await newPerson(server);
  key = await ann.client.keys.create({ name: "k" });
  const { id } = await newConversation(ann.client);
  const nth = upstream.calls.length + 1;
  turn = (await ann.client.messages.send({ conversation_id: id, content: "Hi." })).turn as Turn;
  model = await upstream.call(nth);
  model.say("before ");
});

const post = (path: string, json: object) =>
  call<SignedIn>(server, "POST", `/api/v2${path}`, { json, headers: newAddress() });
const statusOf = async (token: string, path = "/users/me") =>
  (await call(server, "GET", `/api/v2${path}`, { token })).status;

/** Opens the events of the turn; resolves once they flow. `over` resolves with all text when they end. */
async function openStream(token: string) {
  const response = await fetch(`${server.url}/api/v2/turns/${turn.id}/events`, {
    headers: { authorization: `Bearer ${token}` },
  });
  const reader = (response.body as ReadableStream<Uint8Array>).getReader();
  let text = "";
  let isOver = false;
  const over = (async () => {
    for (;;) {
      const { done, value } = await reader.read().catch(() => ({ done: true, value: undefined }));
      isOver = done;
      if (done) return text;
      text += Buffer.from(value as Uint8Array).toString();
    }
  })();
  await until(() => text.includes("reply.delta") || isOver);
  if (!text.includes("reply.delta")) throw new Error(`no stream: ${response.status} ${text}`);
  return { over, text: () => text };
}

const LIFE_MS_MAX = 32_000;

/** A stream under a key that ends by itself; where the machine is too slow to open it in time, a longer life. */
async function openShortLivedStream() {
  for (let lifeMs = 2_000; lifeMs <= LIFE_MS_MAX; lifeMs *= 2) {
    const expires_at = new Date(Date.now() + lifeMs).toISOString();
    const stream = await ann.client.keys
      .create({ name: "short", expires_at })
      .then(async ({ secret }) => ({ secret, ...(await openStream(secret)) }))
      .catch(() => null);
    if (stream) return stream;
  }
  throw new Error("no stream could be opened before its key had expired");
}

type Ending = [what: string, whose: "key" | "session", end: () => Promise<unknown>];

const endings: Ending[] = [
  ["a revoked key", "key", () => ann.client.keys.remove({ key_id: key.id })],
  ["a sign-out", "session", () => ann.client.sessions.end()],
  [
    "a reused refresh token",
    "session",
    async () => {
      await post("/sessions/refresh", { refresh_token: ann.refreshToken });
      await post("/sessions/refresh", { refresh_token: ann.refreshToken });
    },
  ],
  [
    "a password changed elsewhere",
    "session",
    async () => {
      const { body } = await post("/sessions", { email: ann.email, password: ann.password });
      const elsewhere = server.client(body.session.access_token);
      await elsewhere.users.update({ password: "another one", current_password: ann.password });
    },
  ],
];

/** That it takes no longer than a second is proved with a clock that the test moves (src/revocation.test.ts). */
describe("I13: what ends a credential ends it everywhere, open streams too", () => {
  test.each(endings)("%s", async (_, whose, end) => {
    const token = whose === "key" ? key.secret : ann.token;
    const stream = await openStream(token);
    await end();
    for (const path of ["/users/me", "/conversations", `/turns/${turn.id}`, `/turns/${turn.id}/events`]) {
      expect(await statusOf(token, path)).toBe(401);
    }
    const text = await stream.over;
    model.say("after");
    model.finish();
    expect(text).not.toContain("after");
    expect(text).not.toContain("turn.completed");
  });

  test("a key that expires", async () => {
    const short = await openShortLivedStream();
    expect(await short.over).not.toContain("turn.completed");
    expect(await statusOf(short.secret)).toBe(401);
    model.finish();
  });

  test("erasure, which stops what is running as well", async () => {
    const streams = [await openStream(key.secret), await openStream(ann.token)];
    await ann.client.users.remove();
    await model.closed;
    for (const { over } of streams) expect(await over).not.toContain("turn.completed");
    for (const token of [ann.token, key.secret]) expect(await statusOf(token)).toBe(401);
  });
});

describe("what lives on", () => {
  test("a stream outlives its access token: a refresh of its session does not end it", async () => {
    const stream = await openStream(ann.token);
    const { status } = await post("/sessions/refresh", { refresh_token: ann.refreshToken });
    expect(status).toBe(201);
    model.say("after");
    model.finish();
    expect(await stream.over).toContain("turn.completed");
  });

  test("another credential of the same person, and the turn itself", async () => {
    const stream = await openStream(key.secret);
    await ann.client.sessions.end();
    model.say("after");
    model.finish();
    expect(await stream.over).toContain("turn.completed");
    expect(await server.client(key.secret).turns.get({ turn_id: turn.id })).toMatchObject({
      status: "completed",
    });
  });
});
