import { createHash, randomUUID } from "node:crypto";
import type { Character, Conversation, Message, Turn } from "@parley-chat/sdk/contract";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Server, startServer } from "../rig/server.ts";
import { answering, startUpstream, type Upstream } from "../rig/upstream.ts";
import {
  type Answer,
  call,
  expectProblem,
  follow,
  manyAddresses,
  newAddress,
  newConversation,
  newPerson,
  type Person,
  type SignedIn,
  say,
} from "./helpers.ts";

let server: Server;
let upstream: Upstream;
let ann: Person;

const start = (dataDir?: string) =>
  startServer({ ...(dataDir && { dataDir }), env: { ...upstream.env, ...manyAddresses } });

beforeAll(async () => {
  upstream = await startUpstream(answering("Hello."));
  server = await start();
  ann = await newPerson(server);
});
afterAll(async () => {
  await server?.kill();
  upstream?.close();
});

interface Sent {
  message: Message;
  reply: Message | null;
  turn: Turn | null;
}

const keyed = <T = Sent>(method: string, path: string, key: string, json: unknown, token = ann.token) =>
  call<T>(server, method, `/api/v2${path}`, { token, json, headers: { "idempotency-key": key } });
const isReplay = (answer: Answer<unknown>) => answer.headers["idempotent-replayed"] === "true";

describe("Idempotency-Key", () => {
  test("with the same body gives the stored answer, marked, and does nothing again", async () => {
    const json = { name: "Zqonce", extensions: { a: 1, b: [2] } };
    const first = await keyed<Character>("POST", "/characters", "once", json);
    expect({ status: first.status, replay: isReplay(first) }).toEqual({ status: 201, replay: false });
    const sameOtherwise = { extensions: { b: [2], a: 1 }, name: "Zqonce" };
    for (const body of [json, sameOtherwise]) {
      const again = await keyed<Character>("POST", "/characters", "once", body);
      expect({ status: again.status, replay: isReplay(again) }).toEqual({ status: 201, replay: true });
      expect(again.body).toEqual(first.body);
    }
    const { items } = await ann.client.characters.list({ q: "Zqonce" });
    expect(items).toHaveLength(1);
  });

  test("holds for PATCH: the answer of then, though things have moved on", async () => {
    const { id } = await ann.client.characters.create({ name: "A" });
    const first = await keyed<Character>("PATCH", `/characters/${id}`, "patch", { name: "B" });
    await ann.client.characters.update({ character_id: id, name: "C" });
    const again = await keyed<Character>("PATCH", `/characters/${id}`, "patch", { name: "B" });
    expect(isReplay(again)).toBe(true);
    expect(again.body).toEqual(first.body);
    expect((await ann.client.characters.get({ character_id: id })).name).toBe("C");
  });

  test("with another body is 422 idempotency_key_reused", async () => {
    await keyed("POST", "/characters", "other-body", { name: "One" });
    expectProblem(
      await keyed("POST", "/characters", "other-body", { name: "Two" }),
      422,
      "idempotency_key_reused",
    );
  });

  test("belongs to one person and one route", async () => {
    const ben = await newPerson(server);
    const mine = await keyed<Character>("POST", "/characters", "shared", { name: "One" });
    const his = await keyed<Character>("POST", "/characters", "shared", { name: "One" }, ben.token);
    expect(his.body.id).not.toBe(mine.body.id);
    expect(isReplay(his)).toBe(false);
    const conversation = { character_ids: [mine.body.id] };
    const other = await keyed<Conversation>("POST", "/conversations", "shared", conversation);
    expect({ status: other.status, replay: isReplay(other) }).toEqual({ status: 201, replay: false });
  });

  test("has 1 to 255 printable characters, on sends too", async () => {
    const { id } = await newConversation(ann.client);
    for (const key of ["x".repeat(255), "a b"]) {
      expect((await keyed("POST", "/characters", key, { name: "x" })).status).toBe(201);
    }
    for (const key of ["", "x".repeat(256), "tab\there", "ä"]) {
      expectProblem(await keyed("POST", "/characters", key, { name: "x" }), 422, "validation_failed");
      const send = await keyed("POST", `/conversations/${id}/messages`, key, { content: "x" });
      expectProblem(send, 422, "validation_failed");
    }
  });

  test("keeps only 2xx: after a refusal the same key is free again", async () => {
    expectProblem(await keyed("POST", "/characters", "refused", { nam: "x" }), 422, "validation_failed");
    expectProblem(
      await keyed("POST", "/conversations", "refused", { character_ids: [randomUUID()] }),
      422,
      "validation_failed",
    );
    expect((await keyed("POST", "/characters", "refused", { name: "x" })).status).toBe(201);
    const { id } = await ann.client.characters.create({ name: "x" });
    expect((await keyed("POST", "/conversations", "refused", { character_ids: [id] })).status).toBe(201);
  });

  test("of several at once exactly one is done; the rest are 409, those that met it running with Retry-After", async () => {
    const email = `${randomUUID()}@example.org`;
    const headers = { ...newAddress(), "idempotency-key": "at once" };
    const json = { email, password: "a password" };
    const answers = await Promise.all(
      Array.from({ length: 4 }, () => call(server, "POST", "/api/v2/users", { json, headers })),
    );
    expect(answers.map(({ status }) => status).sort()).toEqual([201, 409, 409, 409]);
    for (const { status, body, headers } of answers) {
      if (status === 201) continue;
      // On a busy machine one may come when the first is done already: its answer holds a secret.
      if (body.code === "secret_not_replayed") continue;
      expect(body.code).toBe("in_flight");
      expect(Number(headers["retry-after"])).toBeGreaterThan(0);
    }
  });

  test("calls at once with one key make one resource", async () => {
    const answers = await Promise.all(
      Array.from({ length: 8 }, () => keyed<Character>("POST", "/characters", "burst", { name: "Zqburst" })),
    );
    const made = answers.filter(({ status }) => status === 201);
    expect(made.length).toBeGreaterThan(0);
    expect(new Set(made.map(({ body }) => body.id)).size).toBe(1);
    for (const answer of answers) if (answer.status !== 201) expectProblem(answer, 409, "in_flight");
    expect((await ann.client.characters.list({ q: "Zqburst" })).items).toHaveLength(1);
  });
});

describe("what was deleted", () => {
  const importKeyed = () =>
    call<{ character: Character }>(server, "POST", "/api/v2/characters/import", {
      token: ann.token,
      headers: { "idempotency-key": "gone", "content-type": "application/json" },
      raw: JSON.stringify({ spec: "chara_card_v2", spec_version: "2.0", data: { name: "Zqgone" } }),
    });

  test("is told by no repeat, and not made again", async () => {
    const { id: characterId } = await ann.client.characters.create({ name: "Zqgone" });
    const make = () =>
      keyed<Conversation>("POST", "/conversations", "gone", {
        character_ids: [characterId],
        title: "Zqgone",
      });
    const { id: conversationId } = (await make()).body;
    const rename = () =>
      keyed("PATCH", `/conversations/${conversationId}`, "gone", { title: "Zqgone again" });
    const makeCharacter = () => keyed<Character>("POST", "/characters", "gone", { name: "Zqgone" });
    const made = (await makeCharacter()).body.id;
    const change = () => keyed("PATCH", `/characters/${made}`, "gone", { description: "Zqgone" });
    const imported = (await importKeyed()).body.character.id;
    for (const first of [rename, change]) expect((await first()).status).toBe(200);
    await ann.client.conversations.remove({ conversation_id: conversationId });
    for (const repeat of [make, rename]) expectProblem(await repeat(), 404, "not_found");
    for (const id of [characterId, made, imported]) await ann.client.characters.remove({ character_id: id });
    // Twice: neither what was stored nor what a repeat comes to tells of it.
    for (const repeat of [makeCharacter, change, importKeyed, makeCharacter, change, importKeyed]) {
      expectProblem(await repeat(), 404, "not_found");
    }
    expect((await ann.client.characters.list({ q: "Zqgone" })).items).toEqual([]);
  });
});

describe("answers with a secret", () => {
  test("are given once: a repeat is 409 secret_not_replayed and names what was made", async () => {
    const key = await keyed<{ id: string; secret: string }>("POST", "/keys", "secret", { name: "k" });
    const again = await keyed("POST", "/keys", "secret", { name: "k" });
    expect(expectProblem(again, 409, "secret_not_replayed").detail).toContain(key.body.id);
    expect(again.text).not.toContain(key.body.secret);
    expect((await ann.client.keys.list()).items.filter(({ name }) => name === "k")).toHaveLength(1);
    expectProblem(await keyed("POST", "/keys", "secret", { name: "other" }), 422, "idempotency_key_reused");
  });

  test("users and sessions: the principal is the e-mail, and another password is another body", async () => {
    const email = `${randomUUID()}@example.org`;
    const post = (path: string, json: object, key = "up") =>
      call<SignedIn>(server, "POST", `/api/v2${path}`, {
        json,
        headers: { ...newAddress(), "idempotency-key": key },
      });
    const made = await post("/users", { email, password: "a password" });
    expect(made.status).toBe(201);
    const again = await post("/users", { email, password: "a password" });
    expect(expectProblem(again, 409, "secret_not_replayed").detail).toContain(made.body.user.id);
    expectProblem(await post("/users", { email, password: "another one" }), 422, "idempotency_key_reused");
    const elsewhere = { email: `${randomUUID()}@example.org`, password: "a password" };
    expect((await post("/users", elsewhere)).status).toBe(201);

    expect((await post("/sessions", { email, password: "a password" }, "in")).status).toBe(201);
    expectProblem(
      await post("/sessions", { email, password: "a password" }, "in"),
      409,
      "secret_not_replayed",
    );
  });

  test("a refresh repeated with its key gives another pair, and the pair of the lost answer dies", async () => {
    const ben = await newPerson(server);
    const refresh = (token: string, key?: string) =>
      call<SignedIn>(server, "POST", "/api/v2/sessions/refresh", {
        json: { refresh_token: token },
        ...(key && { headers: { "idempotency-key": key } }),
      });
    const me = async (token: string) => (await call(server, "GET", "/api/v2/users/me", { token })).status;
    const lost = await refresh(ben.refreshToken, "r");
    expect(lost.status).toBe(201);
    const found = await refresh(ben.refreshToken, "r");
    expect(found.status).toBe(201);
    expect(found.body.session.refresh_token).not.toBe(lost.body.session.refresh_token);
    expect(await me(found.body.session.access_token)).toBe(200);
    expect(await me(lost.body.session.access_token)).toBe(401);
    const next = await refresh(found.body.session.refresh_token, "r2");
    expect(next.status).toBe(201);
    // The dead pair is an old one now: using it is theft, and ends the family.
    expectProblem(await refresh(lost.body.session.refresh_token), 401, "unauthenticated");
    expect(await me(next.body.session.access_token)).toBe(401);
  });
});

describe("sends and regenerations", () => {
  test("are recognised by their key for ever, and answer with things as they are now", async () => {
    const { id } = await newConversation(ann.client);
    const path = `/conversations/${id}/messages`;
    const first = await keyed("POST", path, "send", { content: "Hi." });
    expect(first.status).toBe(202);
    await follow(ann.client, (first.body.turn as Turn).id);
    const again = await keyed("POST", path, "send", { content: "Hi." });
    expect({ status: again.status, replay: isReplay(again) }).toEqual({ status: 202, replay: true });
    expect(again.body.message.id).toBe(first.body.message.id);
    expect(again.body.reply).toMatchObject({
      id: first.body.reply?.id,
      status: "complete",
      content: "Hello.",
    });
    expectProblem(await keyed("POST", path, "send", { content: "Ho." }), 422, "idempotency_key_reused");

    const regenerate = `/messages/${again.body.reply?.id}/regenerate`;
    const once = await keyed("POST", regenerate, "again", {});
    const twice = await keyed("POST", regenerate, "again", {});
    expect({ status: twice.status, replay: isReplay(twice) }).toEqual({ status: 202, replay: true });
    expect(twice.body.reply?.id).toBe(once.body.reply?.id);
    expect((await ann.client.conversations.get({ conversation_id: id })).message_count).toBe(3);
  });

  test("metadata that JSON writes in another way is still the same body", async () => {
    const { id } = await newConversation(ann.client);
    const send = () =>
      call<Sent>(server, "POST", `/api/v2/conversations/${id}/messages`, {
        token: ann.token,
        headers: { "idempotency-key": "zero", "content-type": "application/json" },
        raw: '{"content":"x","reply":false,"metadata":{"a":-0}}',
      });
    expect((await send()).status).toBe(201);
    const again = await send();
    expect({ status: again.status, replay: isReplay(again) }).toEqual({ status: 201, replay: true });
  });

  test("a client_message_id that equals the hash of a key is a message of its own", async () => {
    const { id } = await newConversation(ann.client);
    const path = `/conversations/${id}/messages`;
    await keyed("POST", path, "hashed", { content: "A" });
    const { id: userId } = await ann.client.users.me();
    const asStored = JSON.stringify([userId, `send:${id}`, "hashed"]);
    const client_message_id = createHash("sha256").update(asStored).digest("hex");
    const other = await call<Sent>(server, "POST", `/api/v2${path}`, {
      token: ann.token,
      json: { content: "B", client_message_id },
    });
    expect(other.status).toBe(202);
    expect(other.body.message.content).toBe("B");
  });

  test("client_message_id wins over the key", async () => {
    const { id } = await newConversation(ann.client);
    const path = `/conversations/${id}/messages`;
    const note = { content: "A", reply: false, client_message_id: "c1" };
    const first = await keyed("POST", path, "k1", note);
    const otherKey = await keyed("POST", path, "k2", note);
    expect(otherKey.body.message.id).toBe(first.body.message.id);
    expect(isReplay(otherKey)).toBe(true);
    await keyed("POST", path, "k3", { content: "B", reply: false, client_message_id: "c2" });
    expectProblem(
      await keyed("POST", path, "k3", { content: "B", reply: false, client_message_id: "c1" }),
      409,
      "client_message_id_reused",
    );
  });
});

test("deleting what is one's own is 204 again and again", async () => {
  const { id, character_ids } = await newConversation(ann.client);
  const { message, reply } = await say(ann.client, id, "Hi.");
  const key = await ann.client.keys.create({ name: "k" });
  const paths = [
    `/messages/${reply.id}`,
    `/messages/${message.id}`,
    `/characters/${character_ids[0]}`,
    `/keys/${key.id}`,
    `/conversations/${id}`,
  ];
  for (const path of paths) {
    for (let n = 0; n < 2; n++) {
      const answer = await call(server, "DELETE", `/api/v2${path}`, { token: ann.token });
      expect({ path, status: answer.status, text: answer.text }).toEqual({ path, status: 204, text: "" });
    }
  }
});

test("keys hold over a kill and a restart", async () => {
  const ben = await newPerson(server);
  const { id } = await newConversation(ben.client);
  const { reply } = await say(ben.client, id, "Hi.");
  const calls: [path: string, json: object][] = [
    ["/characters", { name: "Kept" }],
    ["/keys", { name: "Kept" }],
    [`/conversations/${id}/messages`, { content: "Note.", reply: false }],
    [`/messages/${reply.id}/regenerate`, {}],
  ];
  const all = () =>
    Promise.all(
      calls.map(([path, json]) =>
        keyed<{ id?: string; message?: Message; reply?: Message }>("POST", path, "kept", json, ben.token),
      ),
    );
  const before = await all();
  expect(before.map(({ status }) => status)).toEqual([201, 201, 201, 202]);
  await server.kill();
  server = await start(server.dataDir);
  const after = await all();
  expect(after.map(({ status }) => status)).toEqual([201, 409, 201, 202]);
  expect(after[0]?.body).toEqual(before[0]?.body);
  expect(expectProblem(after[1] as Answer<unknown>, 409, "secret_not_replayed").detail).toContain(
    before[1]?.body.id,
  );
  expect(after[2]?.body.message?.id).toBe(before[2]?.body.message?.id);
  expect(after[3]?.body.reply?.id).toBe(before[3]?.body.reply?.id);
  for (const n of [0, 2, 3]) expect(isReplay(after[n] as Answer<unknown>)).toBe(true);
});
