import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { OWNER_KEY, type Server, startServer } from "../rig/server.ts";
import { answering, startUpstream, type Upstream } from "../rig/upstream.ts";
import {
  call,
  expectProblem,
  manyAddresses,
  newAddress,
  newConversation,
  newPerson,
  type Person,
  say,
} from "./helpers.ts";

const PER_MINUTE = 4;
let server: Server;
let upstream: Upstream;

beforeAll(async () => {
  upstream = await startUpstream(answering("Hello."));
  server = await startServer({
    env: {
      ...upstream.env,
      ...manyAddresses,
      MAX_MESSAGES_PER_MINUTE: String(PER_MINUTE),
      MAX_MESSAGES_PER_HOUR: "0",
      MAX_MESSAGES_PER_DAY: "500",
    },
  });
});
afterAll(async () => {
  await server?.kill();
  upstream?.close();
});

const send = (person: Person, conversationId: string, json: object, headers = {}) =>
  call(server, "POST", `/api/v2/conversations/${conversationId}/messages`, {
    token: person.token,
    json,
    headers,
  });

/** `"minute";r=3;t=60` as its parts. */
const limitOf = (header: unknown) => {
  const [, name, remaining, reset] = /^"(\w+)";r=(\d+);t=(\d+)$/.exec(String(header)) ?? [];
  return { name, remaining: Number(remaining), reset: Number(reset) };
};

describe("messages", () => {
  test("each send says what is left; the one too many is 429 with Retry-After, and stores nothing", async () => {
    const ann = await newPerson(server);
    const { id } = await newConversation(ann.client);
    for (let left = PER_MINUTE - 1; left >= 0; left--) {
      const { status, headers } = await send(ann, id, { content: "x", reply: false });
      expect(status).toBe(201);
      expect(headers["ratelimit-policy"]).toBe(`"minute";q=${PER_MINUTE};w=60, "day";q=500;w=86400`);
      expect(limitOf(headers.ratelimit)).toMatchObject({ name: "minute", remaining: left });
    }
    const refused = await send(ann, id, { content: "one too many", reply: false });
    const problem = expectProblem(refused, 429, "rate_limited");
    const waitS = Number(refused.headers["retry-after"]);
    expect(waitS).toBeGreaterThan(0);
    expect(waitS).toBeLessThanOrEqual(60);
    expect(problem.retry_after_s).toBe(waitS);
    expect(limitOf(refused.headers.ratelimit)).toMatchObject({ name: "minute", remaining: 0 });
    expect((await ann.client.conversations.get({ conversation_id: id })).message_count).toBe(PER_MINUTE);
  });

  test("they count for the user, over all credentials and conversations, and for nobody else", async () => {
    const [ann, ben] = [await newPerson(server), await newPerson(server)];
    const key = (await ann.client.keys.create({ name: "k" })).secret;
    const tokens = [ann.token, key, ann.token, key];
    for (const token of tokens) {
      const { id } = await newConversation(ann.client);
      expect((await send({ ...ann, token }, id, { content: "x", reply: false })).status).toBe(201);
    }
    const { id } = await newConversation(ann.client);
    for (const token of [ann.token, key]) {
      expectProblem(
        await send({ ...ann, token }, id, { content: "x", reply: false }, newAddress()),
        429,
        "rate_limited",
      );
    }
    const other = await newConversation(ben.client);
    expect((await send(ben, other.id, { content: "x", reply: false })).status).toBe(201);
  });

  test("regenerations count like sends", async () => {
    const ann = await newPerson(server);
    const { id } = await newConversation(ann.client);
    const { reply } = await say(ann.client, id, "Hi.");
    const regenerate = () =>
      call(server, "POST", `/api/v2/messages/${reply.id}/regenerate`, { token: ann.token });
    for (let left = PER_MINUTE - 2; left >= 0; left--) {
      const { status, headers } = await regenerate();
      expect({ status, left: limitOf(headers.ratelimit).remaining }).toEqual({ status: 202, left });
    }
    expectProblem(await regenerate(), 429, "rate_limited");
    expectProblem(await send(ann, id, { content: "x" }), 429, "rate_limited");
  });

  test("retries do not count, and are answered when nothing is left", async () => {
    const ann = await newPerson(server);
    const { id } = await newConversation(ann.client);
    const first = { content: "x", reply: false, client_message_id: "first" };
    await send(ann, id, first);
    await send(ann, id, { content: "y", reply: false }, { "idempotency-key": "second" });
    for (let i = 0; i < 10; i++) {
      const { headers } = await send(ann, id, first);
      expect(headers["idempotent-replayed"]).toBe("true");
      expect(limitOf(headers.ratelimit).remaining).toBe(PER_MINUTE - 2);
    }
    for (let i = 0; i < PER_MINUTE - 2; i++) {
      expect((await send(ann, id, { content: "x", reply: false })).status).toBe(201);
    }
    expectProblem(await send(ann, id, { content: "x", reply: false }), 429, "rate_limited");
    expect((await send(ann, id, first)).status).toBe(201);
    const again = await send(ann, id, { content: "y", reply: false }, { "idempotency-key": "second" });
    expect({ status: again.status, replayed: again.headers["idempotent-replayed"] }).toEqual({
      status: 201,
      replayed: "true",
    });
  });

  test("retries that come at once with the first are answered as it is, whatever is left", async () => {
    const ann = await newPerson(server);
    const { id } = await newConversation(ann.client);
    for (let i = 0; i < PER_MINUTE - 1; i++) await send(ann, id, { content: "x", reply: false });
    const last = { content: "x", reply: false, client_message_id: "last" };
    const answers = await Promise.all(Array.from({ length: 8 }, () => send(ann, id, last)));
    expect(answers.map(({ status }) => status)).toEqual(Array(8).fill(201));
    expect(answers.filter(({ headers }) => headers["idempotent-replayed"] === "true")).toHaveLength(7);
  });

  test("what is refused does not count", async () => {
    const ann = await newPerson(server);
    const conversation = await newConversation(ann.client, { name: "Ada", first_mes: "Hi." });
    const { id } = conversation;
    const gone = await newConversation(ann.client);
    await ann.client.characters.remove({ character_id: gone.character_ids[0] as string });
    const [greeting] = (await ann.client.messages.list({ conversation_id: id })).items;
    const refused = [
      () => send(ann, id, { content: "" }),
      () => send(ann, id, { content: 7 }),
      () => send(ann, id, { content: "x".repeat(50_001) }),
      () => send(ann, id, { content: "x", parent_id: randomUUID() }),
      () => send(ann, randomUUID(), { content: "x" }),
      () => send(ann, gone.id, { content: "x" }),
      () => call(server, "POST", `/api/v2/messages/${greeting?.id}/regenerate`, { token: ann.token }),
    ];
    const noParent = await send(ann, id, { content: "x", parent_id: randomUUID() });
    expect(limitOf(noParent.headers.ratelimit).remaining).toBe(PER_MINUTE);
    for (const refuse of refused) {
      for (let i = 0; i < PER_MINUTE; i++) expect((await refuse()).status).toBeGreaterThanOrEqual(404);
    }
    const { headers } = await send(ann, id, { content: "x", reply: false });
    expect(limitOf(headers.ratelimit).remaining).toBe(PER_MINUTE - 1);
  });
});

describe("signing in and up", () => {
  const wrongCode = (headers: Record<string, string>) =>
    call(server, "POST", "/api/v2/sessions", { json: { code: "wrong" }, headers });

  test("an address has 30 calls a minute for both together; the next is 429 with Retry-After", async () => {
    const here = newAddress();
    const email = `${randomUUID()}@example.org`;
    const up = await call(server, "POST", "/api/v2/users", {
      json: { email, password: "a password" },
      headers: here,
    });
    expect(up.status).toBe(201);
    expect(up.headers["ratelimit-policy"]).toBe('"sign_in";q=30;w=60');
    expect(limitOf(up.headers.ratelimit).remaining).toBe(29);
    for (let left = 28; left >= 0; left--) {
      const { status, headers } = await wrongCode(here);
      expect({ status, left: limitOf(headers.ratelimit).remaining }).toEqual({ status: 401, left });
    }
    const refused = await wrongCode(here);
    expect(expectProblem(refused, 429, "rate_limited").retry_after_s).toBe(
      Number(refused.headers["retry-after"]),
    );
    const json = { email: `${randomUUID()}@example.org`, password: "a password" };
    expectProblem(await call(server, "POST", "/api/v2/users", { json, headers: here }), 429, "rate_limited");
    expect((await wrongCode(newAddress())).status).toBe(401);
  });

  test("an IPv6 address counts with its neighbours of the same /56", async () => {
    const from = (n: number) => ({ "x-forwarded-for": `2001:db8:1:a0${n.toString(16).padStart(2, "0")}::1` });
    for (let n = 0; n < 30; n++) expect((await wrongCode(from(n))).status).toBe(401);
    expect((await wrongCode(from(200))).status).toBe(429);
    expect((await wrongCode({ "x-forwarded-for": "2001:db8:1:b000::1" })).status).toBe(401);
  });

  test("wrong passwords for one account are limited wherever they come from; nobody else is locked out", async () => {
    const [ann, ben] = [await newPerson(server), await newPerson(server)];
    const signIn = ({ email }: Person, password: string) =>
      call(server, "POST", "/api/v2/sessions", { json: { email, password }, headers: newAddress() });
    const tries = await Promise.all(Array.from({ length: 31 }, () => signIn(ann, "a wrong one")));
    expect(tries.filter(({ status }) => status === 401)).toHaveLength(30);
    expect(tries.filter(({ status }) => status === 429)).toHaveLength(1);
    expect((await signIn(ben, ben.password)).status).toBe(201);
  });
});

describe("turned off by 0, and behind no trusted proxy", () => {
  let free: Server;
  beforeAll(async () => {
    const off = { MAX_MESSAGES_PER_MINUTE: "0", MAX_MESSAGES_PER_HOUR: "0", MAX_MESSAGES_PER_DAY: "0" };
    free = await startServer({ env: { ...upstream.env, ...off } });
  });
  afterAll(async () => {
    await free?.kill();
  });

  test("messages are not limited", async () => {
    const { id } = await newConversation(free.owner);
    const path = `/api/v2/conversations/${id}/messages`;
    const json = { content: "x", reply: false };
    const sent = await Promise.all(
      Array.from({ length: 130 }, () => call(free, "POST", path, { token: OWNER_KEY, json })),
    );
    expect(new Set(sent.map(({ status }) => status))).toEqual(new Set([201]));
    expect(sent[0]?.headers.ratelimit).toBeUndefined();
  });

  test("a forwarding header that nobody vouches for does not make another address", async () => {
    const statuses: number[] = [];
    for (let n = 0; n < 31; n++) {
      const { status } = await call(free, "POST", "/api/v2/sessions", {
        json: { code: "wrong" },
        headers: { ...newAddress(), forwarded: `for=10.1.1.${n}`, "x-real-ip": `10.1.1.${n}` },
      });
      statuses.push(status);
    }
    expect(statuses.slice(0, 30)).toEqual(Array(30).fill(401));
    expect(statuses[30]).toBe(429);
  });
});

test("card files are limited by user, refused ones too, and the answer shows how matters stand", async () => {
  const limited = await startServer({ env: { ...manyAddresses, MAX_IMPORTS_PER_MINUTE: "2" } });
  try {
    const [one, other] = [await newPerson(limited), await newPerson(limited)];
    const send = (person: Person, raw: string) =>
      call(limited, "POST", "/api/v2/characters/import", {
        token: person.token,
        raw: Buffer.from(raw),
        headers: { "content-type": "application/json" },
      });
    const good = '{"name":"Mira","description":""}';
    const first = await send(one, good);
    expect([first.status, first.headers.ratelimit]).toEqual([201, expect.stringContaining('"imports";r=1')]);
    expectProblem(await send(one, "{"), 422, "invalid_card");
    const refused = await send(one, good);
    const { detail } = expectProblem(refused, 429, "rate_limited");
    expect(detail).toMatch(/^At most 2 card files a minute are allowed; try again in \d+ s\.$/);
    expect(refused.headers["retry-after"]).toMatch(/^\d+$/);
    expect((await send(other, good)).status).toBe(201);
  } finally {
    await limited.kill();
  }
});
