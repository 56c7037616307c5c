import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import { OWNER_KEY, type Server, startServer } from "../rig/server.ts";
import { answering, startUpstream, type Upstream } from "../rig/upstream.ts";
import {
  call,
  everyRoute,
  expectProblem,
  manyAddresses,
  newConversation,
  newPerson,
  type Person,
  say,
} from "./helpers.ts";

let server: Server;
let upstream: Upstream;
let ann: Person;
let ben: Person;

beforeAll(async () => {
  upstream = await startUpstream(answering("Hello."));
  server = await startServer({ env: { ...upstream.env, ...manyAddresses } });
  [ann, ben] = await Promise.all([newPerson(server), newPerson(server)]);
});
afterAll(async () => {
  await server?.kill();
  upstream?.close();
});

const asAnn = <T = unknown>(method: string, path: string, json?: unknown) =>
  call<T>(server, method, `/api/v2${path}`, { token: ann.token, ...(json !== undefined && { json }) });

test("a problem is problem+json with type, title, status, detail, code and the request's id, and no more", async () => {
  const answer = await asAnn("GET", `/conversations/${randomUUID()}`);
  const problem = expectProblem(answer, 404, "not_found");
  expect(Object.keys(problem).sort()).toEqual(["code", "detail", "request_id", "status", "title", "type"]);
});

test("a path or method that the API does not have is a problem too", async () => {
  expectProblem(await asAnn("GET", "/nothing-here"), 404, "not_found");
  const put = expectProblem(await asAnn("PUT", "/conversations", {}), 404, "not_found");
  expect(put.detail).toBe(
    "There is no PUT /api/v2/conversations. This address takes POST and GET. See /docs.",
  );
  const id = randomUUID();
  const post = expectProblem(await asAnn("POST", `/conversations/${id}?a=b`, {}), 404, "not_found");
  expect(post.detail).toContain("This address takes GET, PATCH and DELETE.");
  const internal = await call(server, "PUT", "/internal/sign-in-link", { token: ann.token });
  expect(expectProblem(internal, 404, "not_found").detail).toBe(
    "There is no PUT /internal/sign-in-link. See /docs.",
  );
  expectProblem(await call(server, "GET", "/api/v2/%zz", { token: ann.token }), 404, "not_found");
});

test("a field that does not fit is named in the sentence of the problem, in one form everywhere", async () => {
  const unfit: [path: string, body: unknown, detail: string][] = [
    ["/users", { email: "ann", password: "long enough" }, "email must be an e-mail address."],
    [
      "/conversations",
      { character_ids: [randomUUID()] },
      "character_ids.0 is not a character that you can see.",
    ],
    ["/keys", { name: "k", expires_at: "2001-01-01T00:00:00Z" }, "expires_at must lie in the future."],
    ["/keys", { nam: "k" }, "nam is not a known field; did you mean name?"],
  ];
  for (const [path, body, detail] of unfit) {
    const answer = expectProblem(await asAnn("POST", path, body), 422, "validation_failed");
    expect([path, answer.detail]).toEqual([path, detail]);
  }
});

test("malformed, unknown and foreign ids give the same 404, byte for byte", async () => {
  const conversation = await newConversation(ann.client);
  const { reply, turn } = await say(ann.client, conversation.id, "Hi.");
  const key = await ann.client.keys.create({ name: "mine" });
  const foreign: Record<string, string> = {
    conversation_id: conversation.id,
    message_id: reply.id,
    turn_id: turn.id,
    key_id: key.id,
    character_id: conversation.character_ids[0] as string,
  };
  const bodies: Record<string, unknown> = {
    "messages.send": { content: "Hi." },
    "characters.update": { name: "x" },
    "conversations.update": { title: "x" },
  };
  const routes = [
    ...everyRoute().filter(({ route }) => route.path.includes("{")),
    { name: "turns.events", route: { method: "GET", path: "/api/v2/turns/{turn_id}/events" } },
  ];
  expect(routes.length).toBeGreaterThan(13);
  for (const { name, route } of routes) {
    const param = /\{(\w+)\}/.exec(route.path)?.[1] as string;
    const theirs = foreign[param] as string;
    const ids = [
      theirs,
      randomUUID(),
      "1",
      theirs.toUpperCase(),
      `{${theirs}}`,
      "%00",
      "%F0%9F%98%80",
      "x".repeat(500),
    ];
    const answers = await Promise.all(
      ids.map((id) =>
        call(server, route.method, route.path.replace(/\{\w+\}/, encodeURI(decodeURI(id))), {
          token: ben.token,
          headers: {
            "x-request-id": "same",
            ...("fileTypes" in route && { "content-type": route.fileTypes?.[0] as string }),
          },
          ...(bodies[name] !== undefined && { json: bodies[name] }),
          ...("fileTypes" in route && { raw: "no picture" }),
        }),
      ),
    );
    for (const [i, answer] of answers.entries()) {
      expectProblem(answer, 404, "not_found");
      expect(`${name} ${ids[i]} ${answer.text}`).toBe(`${name} ${ids[i]} ${answers[0]?.text}`);
    }
  }
});

test("an unknown field is refused everywhere, and the nearest known one is named", async () => {
  for (const { name, route } of everyRoute().filter(({ route }) => route.body)) {
    const path = route.path.replace(/\{\w+\}/, randomUUID());
    const answer = await call(server, route.method, path, { token: ann.token, json: { zzzzzzzz: 1 } });
    const problem = expectProblem(answer, 422, "validation_failed");
    expect(problem.errors?.map((error) => `${name} ${error.path}`)).toContain(`${name} zzzzzzzz`);
  }
  const near = async (path: string, json: object, field: string, meant: string) => {
    const { errors } = expectProblem(await asAnn("POST", path, json), 422, "validation_failed");
    expect(errors).toContainEqual({
      path: field,
      message: expect.stringContaining(`did you mean ${meant}?`),
    });
  };
  const character_ids = [randomUUID()];
  await near("/conversations", { charcter_ids: character_ids }, "charcter_ids", "character_ids");
  await near("/conversations", { character_ids, titel: "x" }, "titel", "title");
  await near(
    "/conversations",
    { character_ids, settings: { temprature: 1 } },
    "settings.temprature",
    "temperature",
  );
  await near(
    `/conversations/${randomUUID()}/messages`,
    { content: "x", parentid: null },
    "parentid",
    "parent_id",
  );
  await near("/characters", { name: "x", persnality: "y" }, "persnality", "personality");
  await near("/sessions", { email: "a@b.c", pasword: "x" }, "pasword", "password");
  const { errors } = expectProblem(await asAnn("GET", "/conversations?limt=5"), 422, "validation_failed");
  expect(errors).toContainEqual({ path: "limt", message: expect.stringContaining("did you mean limit?") });
});

test("no type is coerced: a number is no text, a text no number, null is nothing else", async () => {
  const { id } = await newConversation(ann.client);
  const messages = `/conversations/${id}/messages`;
  const refused: [method: string, path: string, json: unknown, field: string][] = [
    ["POST", messages, { content: 7 }, "content"],
    ["POST", messages, { content: null }, "content"],
    ["POST", messages, { content: ["x"] }, "content"],
    ["POST", messages, { content: true }, "content"],
    ["POST", messages, { content: "x", client_message_id: 7 }, "client_message_id"],
    ["POST", messages, { content: "x", client_message_id: null }, "client_message_id"],
    ["POST", messages, { content: "x", reply: "true" }, "reply"],
    ["POST", messages, { content: "x", reply: 0 }, "reply"],
    ["POST", messages, { content: "x", reply: null }, "reply"],
    ["POST", messages, { content: "x", parent_id: 7 }, "parent_id"],
    ["POST", messages, { content: "x", metadata: "x" }, "metadata"],
    ["POST", messages, { content: "x", metadata: [] }, "metadata"],
    ["PATCH", `/conversations/${id}`, { title: null }, "title"],
    ["PATCH", `/conversations/${id}`, { title: 7 }, "title"],
    ["PATCH", `/conversations/${id}`, { head_id: null }, "head_id"],
    ["PATCH", `/conversations/${id}`, { tags: "x" }, "tags"],
    ["PATCH", `/conversations/${id}`, { last_read_seq: "1" }, "last_read_seq"],
    ["PATCH", `/conversations/${id}`, { settings: { temperature: "0.5" } }, "settings.temperature"],
    ["PATCH", `/conversations/${id}`, { settings: { max_tokens: 1.5 } }, "settings.max_tokens"],
    ["PATCH", `/conversations/${id}`, { settings: { max_tokens: true } }, "settings.max_tokens"],
    ["POST", "/conversations", { character_ids: id }, "character_ids"],
    ["POST", "/conversations", { character_ids: [7] }, "character_ids.0"],
    ["POST", "/conversations", { character_ids: [id], greeting_index: "0" }, "greeting_index"],
    ["POST", "/characters", { name: 7 }, "name"],
    ["POST", "/characters", { name: "x", tags: ["a", 7] }, "tags.1"],
    ["POST", "/keys", { name: "x", scopes: "chat" }, "scopes"],
    ["PATCH", "/users/me", { display_name: null }, "display_name"],
  ];
  for (const [method, path, json, field] of refused) {
    const problem = expectProblem(await asAnn(method, path, json), 422, "validation_failed");
    expect(problem.errors?.map((error) => error.path)).toContain(field);
  }
  for (const json of [[], "text", 7, true, null]) {
    expectProblem(await asAnn("POST", "/conversations", json), 422, "validation_failed");
  }
  expect((await ann.client.messages.list({ conversation_id: id })).items).toEqual([]);
});

test("a body that is no JSON is 400 invalid_json; a missing one is 422", async () => {
  const headers = { "content-type": "application/json" };
  const send = (raw: string | Buffer) =>
    call(server, "POST", "/api/v2/conversations", { token: ann.token, headers, raw });
  const broken = ["{", '{"a":1,}', "{'a':1}", "NaN", "undefined", "{}{}", '"\n"'];
  for (const raw of broken) expectProblem(await send(raw), 400, "invalid_json");
  expectProblem(await send(Buffer.from([0x22, 0xff, 0xfe, 0x22])), 400, "invalid_json");
  const deep = "[".repeat(5_000) + "]".repeat(5_000);
  for (const raw of ["", deep, '{"__proto__":{}}']) expectProblem(await send(raw), 422, "validation_failed");
  expectProblem(await asAnn("POST", "/conversations"), 422, "validation_failed");
});

test("a content type other than JSON is 415; a charset beside it is fine", async () => {
  const send = (type: string | null) =>
    call(server, "POST", "/api/v2/characters", {
      token: ann.token,
      raw: '{"name":"x"}',
      ...(type !== null && { headers: { "content-type": type } }),
    });
  for (const type of ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", null]) {
    expectProblem(await send(type), 415, "unsupported_type");
  }
  expect((await send("application/json; charset=utf-8")).status).toBe(201);
  expect((await send("APPLICATION/JSON")).status).toBe(201);
  expectProblem(await send("application/json; charset=iso-8859-1"), 415, "unsupported_type");
  const packed = { "content-type": "application/json", "content-encoding": "gzip" };
  const answer = await call(server, "POST", "/api/v2/characters", {
    token: ann.token,
    raw: '{"name":"x"}',
    headers: packed,
  });
  expectProblem(answer, 415, "unsupported_type");
  // A form without fields has no body to be of any type.
  const stop = await call(server, "POST", `/api/v2/turns/${randomUUID()}/stop`, {
    token: ann.token,
    raw: "",
    headers: { "content-type": "application/x-www-form-urlencoded" },
  });
  expectProblem(stop, 404, "not_found");
});

test("a body may have 1 MiB and not a byte more; of a character 16 MiB", async () => {
  const padded = (bytes: number) => {
    const text = '{"content":"x","pad":""}';
    return text.replace('""', `"${"a".repeat(bytes - text.length)}"`);
  };
  const send = (path: string, raw: string) =>
    call(server, "POST", `/api/v2${path}`, {
      token: ann.token,
      raw,
      headers: { "content-type": "application/json" },
    });
  const { id } = await newConversation(ann.client);
  const MiB = 1024 * 1024;
  expectProblem(await send(`/conversations/${id}/messages`, padded(MiB)), 422, "validation_failed");
  expectProblem(await send(`/conversations/${id}/messages`, padded(MiB + 1)), 413, "payload_too_large");
  const card = (bytes: number) => {
    const text = JSON.stringify({ spec: "chara_card_v2", data: { name: "Big", unknown: "" } });
    return text.replace('""', `"${"a".repeat(bytes - text.length)}"`);
  };
  expect((await send("/characters", card(16 * MiB))).status).toBe(201);
  expectProblem(await send("/characters", card(16 * MiB + 1)), 413, "payload_too_large");
});

test("lengths count code points: 100 emoji are a display name of 100 characters", async () => {
  const name = "🦉".repeat(100);
  expect(await ben.client.users.update({ display_name: name })).toMatchObject({ display_name: name });
  const answer = await call(server, "PATCH", "/api/v2/users/me", {
    token: ben.token,
    json: { display_name: `${name}🦉` },
  });
  expect(expectProblem(answer, 422, "validation_failed").errors?.[0]?.path).toBe("display_name");
});

test("X-Request-ID is taken where it is well-formed, else replaced, and is in every answer", async () => {
  const ask = (id: string | undefined, path = "/api/v2/users/me", token: string | null = ann.token) =>
    call(server, "GET", path, {
      ...(token !== null && { token }),
      ...(id !== undefined && { headers: { "x-request-id": id } }),
    });
  for (const id of ["a", "A.b_c-9", "x".repeat(128)]) {
    expect((await ask(id)).headers["x-request-id"]).toBe(id);
    expect((await ask(id, "/api/v2/nothing")).body.request_id).toBe(id);
    expect((await ask(id, "/api/v2/users/me", null)).body.request_id).toBe(id);
    expect((await ask(id, "/live")).headers["x-request-id"]).toBe(id);
  }
  for (const id of [undefined, "", "x".repeat(129), "a b", "a/b", "a\tb", "ä", "a,b"]) {
    const given = (await ask(id)).headers["x-request-id"];
    expect(given).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-/);
  }
  const { id } = await newConversation(ann.client);
  const stream = await call(server, "POST", `/api/v2/conversations/${id}/messages`, {
    token: ann.token,
    json: { content: "Hi." },
    headers: { accept: "text/event-stream", "x-request-id": "of-a-stream" },
  });
  expect(stream.headers).toMatchObject({
    "x-request-id": "of-a-stream",
    "content-type": expect.stringMatching(/^text\/event-stream/),
  });
});

test("ids are lower-case UUIDs of version 7 or 8, times RFC 3339 in UTC with milliseconds", async () => {
  const conversation = await newConversation(ann.client, { name: "Ada", first_mes: "Hi." });
  const { message, reply, turn } = await say(ann.client, conversation.id, "Hi.");
  const [greeting] = (await ann.client.messages.list({ conversation_id: conversation.id })).items;
  const character = await ann.client.characters.get({
    character_id: conversation.character_ids[0] as string,
  });
  const made = [conversation, message, reply, turn, greeting, character, await ann.client.users.me()];
  for (const one of made) {
    expect(one?.id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-[78][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    expect(one?.created_at).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  }
});

test("a parameter that a call does not know is refused, also where it knows none", async () => {
  for (const path of ["/users/me?foo=1", "/models?limit=2", "/conversations?__proto__=1"]) {
    expectProblem(await asAnn("GET", path), 422, "validation_failed");
  }
  expectProblem(await asAnn("POST", "/conversations?foo=1", { character_ids: [] }), 422, "validation_failed");
});

test("a cursor is taken to the letter or not at all", async () => {
  for (const _ of [1, 2]) {
    await ann.client.keys.create({ name: "k" });
    await newConversation(ann.client);
  }
  for (const list of ["/keys", "/conversations", "/characters"]) {
    const { next_cursor } = (await asAnn<{ next_cursor: string }>("GET", `${list}?limit=1`)).body;
    expect((await asAnn("GET", `${list}?limit=1&cursor=${next_cursor}`)).status).toBe(200);
    expectProblem(await asAnn("GET", `${list}?limit=1&cursor=${next_cursor}!!!!`), 422, "invalid_cursor");
  }
});

test("lists take a limit from 1 to 200 and no other; an unknown cursor is 422", async () => {
  const { id } = await newConversation(ann.client);
  const lists = ["/characters", "/conversations", "/keys", `/conversations/${id}/messages`];
  for (const list of lists) {
    for (const limit of ["0", "201", "-1", "1.5", "1e1", "ten", "", "1&limit=2", "99999999999999999999"]) {
      const problem = expectProblem(await asAnn("GET", `${list}?limit=${limit}`), 422, "validation_failed");
      expect(problem.errors?.[0]?.path).toBe("limit");
    }
    for (const limit of ["1", "200"]) expect((await asAnn("GET", `${list}?limit=${limit}`)).status).toBe(200);
    const name = list.endsWith("messages") ? "before" : "cursor";
    for (const cursor of ["nonsense", "", "e30", Buffer.from('{"seq":1}').toString("base64url"), "-1"]) {
      expectProblem(await asAnn("GET", `${list}?${name}=${cursor}`), 422, "invalid_cursor");
    }
    expectProblem(await asAnn("GET", `${list}?${name}=${"x".repeat(513)}`), 422, "validation_failed");
  }
});

test("a call that needs nothing but its path takes an empty body, with and without a content type", async () => {
  const { id } = await newConversation(ann.client);
  const { turn } = await say(ann.client, id, "Hi.");
  const stop = (options: object) =>
    call(server, "POST", `/api/v2/turns/${turn.id}/stop`, { token: ann.token, ...options });
  expect((await stop({})).status).toBe(200);
  expect((await stop({ json: {} })).status).toBe(200);
  expect((await stop({ headers: { "content-type": "application/json" }, raw: "" })).status).toBe(200);
  expectProblem(await stop({ json: { force: true } }), 422, "validation_failed");
});

test("input never ends the process: after all of this the same one still answers", async () => {
  expect((await call<{ status: string }>(server, "GET", "/live")).body.status).toBe("ok");
  expect((await server.client(OWNER_KEY).users.me()).role).toBe("owner");
  expect(() => process.kill(server.pid, 0)).not.toThrow();
});
