import { randomBytes } from "node:crypto";
import { request } from "node:http";
import type { Problem } from "@parley-chat/sdk";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { call, expectProblem, manyAddresses, newPerson } from "../api/helpers.ts";
import { newConversation } from "../faults/scene.ts";
import { until, within } from "../faults/until.ts";
import { OWNER_KEY, type Server, startServer } from "../rig/server.ts";
import { startUpstream, type Upstream } from "../rig/upstream.ts";
import { newTicket, openSocket, refusedUpgrade } from "./socket.ts";

const PATH = "/api/v2/realtime";
const FRIEND = "https://friend.example";
let server: Server;

beforeAll(async () => {
  server = await startServer({
    env: { ...manyAddresses, ALLOWED_ORIGINS: FRIEND, PARLEY_PUBLIC_URL: "https://parley.example/" },
  });
});
afterAll(async () => {
  await server?.kill();
});

const problemOf = (answer: { body: string }) => JSON.parse(answer.body) as Problem;

describe("a ticket", () => {
  test("opens one socket, once", async () => {
    const ticket = await newTicket(server);
    const socket = await openSocket(server, { ticket });
    const again = await refusedUpgrade(server, `${PATH}?ticket=${ticket}`);
    expect(again.status).toBe(401);
    expect(problemOf(again).code).toBe("unauthenticated");
    expect(again.headers["www-authenticate"]).toBe("Bearer");
    expect(again.headers["content-type"]).toMatch(/^application\/problem\+json/);
    socket.close();
  });

  test("of twenty who try it at once lets one in", async () => {
    const ticket = await newTicket(server);
    const tries = await Promise.allSettled(Array.from({ length: 20 }, () => openSocket(server, { ticket })));
    expect(tries.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
    for (const one of tries) if (one.status === "fulfilled") one.value.close();
  });

  test.each([
    ["none", ""],
    ["an empty one", "?ticket="],
    ["one that never was", "?ticket=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"],
    ["a credential", `?ticket=${OWNER_KEY}`],
    ["one too long", `?ticket=${"x".repeat(4_000)}`],
    ["an escape that is none", "?ticket=%E0%A4%A"],
    ["a token as other servers take it", `?token=${OWNER_KEY}`],
  ])("(%s) is refused with 401 before the upgrade", async (_, query) => {
    const answer = await refusedUpgrade(server, `${PATH}${query}`, {
      headers: { "x-request-id": "mine", authorization: `Bearer ${OWNER_KEY}` },
    });
    expect({ status: answer.status, id: answer.headers["x-request-id"] }).toEqual({
      status: 401,
      id: "mine",
    });
    expect(problemOf(answer)).toMatchObject({ code: "unauthenticated", request_id: "mine" });
  });

  test("of a key that was revoked since is refused, as is one of someone erased", async () => {
    const key = await server.owner.keys.create({ name: "k" });
    const ticket = await newTicket(server, key.secret);
    await server.owner.keys.remove({ key_id: key.id });
    expect((await refusedUpgrade(server, `${PATH}?ticket=${ticket}`)).status).toBe(401);
    const ann = await newPerson(server);
    const hers = await newTicket(server, ann.token);
    await ann.client.users.remove();
    expect((await refusedUpgrade(server, `${PATH}?ticket=${hers}`)).status).toBe(401);
  });

  test("is given to whoever may chat, and never twice under one key", async () => {
    const key = await server.owner.keys.create({ name: "no chat", scopes: ["account"] });
    const tickets = `${PATH}/tickets`;
    expectProblem(await call(server, "POST", tickets, { token: key.secret }), 403, "forbidden");
    expectProblem(await call(server, "POST", tickets), 401, "unauthenticated");
    const keyed = { token: OWNER_KEY, headers: { "idempotency-key": "one" } };
    const first = await call<{ ticket: string; expires_in: number }>(server, "POST", tickets, keyed);
    expect(first).toMatchObject({ status: 201, body: { expires_in: 30 } });
    const repeat = await call(server, "POST", tickets, keyed);
    expectProblem(repeat, 409, "secret_not_replayed");
    expect(repeat.text).not.toContain(first.body.ticket);
  });
});

describe("a page of another origin (SE13)", () => {
  const open = async (origin: string) => {
    const ticket = await newTicket(server);
    return openSocket(server, { ticket, ws: { headers: { origin } } }).then(
      (socket) => {
        socket.close();
        return 101;
      },
      (error: Error) => Number(/\d+/.exec(error.message)?.[0]),
    );
  };

  test.each([
    ["https://evil.example"],
    ["null"],
    ["https://friend.example.evil.example"],
    ["http://friend.example"],
    ["https://parley.example.evil.example"],
    ["garbage"],
  ])("%s opens no socket", async (origin) => {
    expect(await open(origin)).toBe(403);
  });

  test("that is named, our own, or no page at all may", async () => {
    expect(await open(FRIEND)).toBe(101);
    expect(await open("https://parley.example")).toBe(101);
    expect(await open(server.url)).toBe(101);
    (await openSocket(server)).close();
  });

  test("uses up no ticket", async () => {
    const ticket = await newTicket(server);
    const evil = { headers: { origin: "https://evil.example" } };
    expect((await refusedUpgrade(server, `${PATH}?ticket=${ticket}`, evil)).status).toBe(403);
    (await openSocket(server, { ticket })).close();
  });
});

test("who asks without an upgrade is told to; who asks for another protocol, or elsewhere, is served as ever", async () => {
  expectProblem(await call(server, "GET", PATH), 426, "upgrade_required");
  const h2c = {
    connection: "upgrade, http2-settings",
    upgrade: "h2c",
    "http2-settings": "AAMAAABkAAQAoAAAAAIAAAAA",
  };
  expect((await call(server, "GET", "/live", { headers: h2c })).status).toBe(200);
  const elsewhere = await refusedUpgrade(server, "/api/v2/elsewhere");
  expect(elsewhere.status).toBe(404);
  expect(problemOf(elsewhere).code).toBe("not_found");
});

test("a handshake that is none is refused and harms nobody", async () => {
  for (const headers of [{}, { "sec-websocket-key": "short" }, { "sec-websocket-version": "7" }]) {
    const ticket = await newTicket(server);
    const status = await new Promise<number | undefined>((resolve, reject) => {
      const asked = request(`${server.url}${PATH}?ticket=${ticket}`, {
        headers: {
          connection: "upgrade",
          upgrade: "websocket",
          "sec-websocket-version": "13",
          ...("sec-websocket-version" in headers && {
            "sec-websocket-key": randomBytes(16).toString("base64"),
          }),
          ...headers,
        },
      });
      asked.on("response", ({ statusCode }) => resolve(statusCode));
      asked.on("error", reject);
      asked.end();
    });
    expect(status).toBeGreaterThanOrEqual(400);
    expect(status).toBeLessThan(500);
  }
});

describe("I13: what ends a credential ends its sockets within a second", () => {
  const endings: [string, () => Promise<{ token: string; end: () => Promise<unknown>; other?: string }>][] = [
    [
      "a revoked key, and no other of the same user",
      async () => {
        const key = await server.owner.keys.create({ name: "k" });
        return {
          token: key.secret,
          other: OWNER_KEY,
          end: () => server.owner.keys.remove({ key_id: key.id }),
        };
      },
    ],
    [
      "a sign-out",
      async () => {
        const ann = await newPerson(server);
        return { token: ann.token, end: () => ann.client.sessions.end() };
      },
    ],
    [
      "a changed password",
      async () => {
        const ann = await newPerson(server);
        const { body } = await call<{ session: { access_token: string } }>(
          server,
          "POST",
          "/api/v2/sessions",
          {
            json: { email: ann.email, password: ann.password },
          },
        );
        const elsewhere = body.session.access_token;
        const change = { password: "another one", current_password: ann.password };
        return { token: elsewhere, other: ann.token, end: () => ann.client.users.update(change) };
      },
    ],
    [
      "erasure",
      async () => {
        const ann = await newPerson(server);
        return { token: ann.token, end: () => ann.client.users.remove() };
      },
    ],
  ];

  test.each(endings)("%s", async (_, begin) => {
    const { token, other, end } = await begin();
    const sockets = [await openSocket(server, { token }), await openSocket(server, { token })];
    const lasting = other === undefined ? null : await openSocket(server, { token: other });
    await end();
    for (const socket of sockets) {
      expect(await within("the close", socket.closed)).toEqual({ code: 1008, reason: "unauthenticated" });
    }
    if (!lasting) return;
    expect(await lasting.ask({ type: "ping" })).toMatchObject({ type: "pong" });
    lasting.close();
  });

  test("a key that expires", async () => {
    const openFor = async (ms: number) => {
      const expires_at = new Date(Date.now() + ms).toISOString();
      const key = await server.owner.keys.create({ name: "short", expires_at });
      return { expires_at, socket: await openSocket(server, { token: key.secret }) };
    };
    // A machine that is too slow for the first gets the second.
    const { expires_at, socket } = await openFor(2_000).catch(() => openFor(20_000));
    expect((await within("the close", socket.closed)).code).toBe(1008);
    expect(Date.now()).toBeGreaterThanOrEqual(Date.parse(expires_at));
  });
});

test("a user has so many sockets as the setting says, and a closed one makes room", async () => {
  const small = await startServer({ env: { ...manyAddresses, PARLEY_SOCKETS_PER_USER_MAX: "2" } });
  const sockets = [await openSocket(small), await openSocket(small)];
  const refused = await refusedUpgrade(small, `${PATH}?ticket=${await newTicket(small)}`);
  expect(refused.status).toBe(503);
  expect(problemOf(refused).code).toBe("overloaded");
  (await openSocket(small, { token: (await newPerson(small)).token })).close();
  sockets[0]?.close();
  await until("room", () => openSocket(small).then((socket) => socket.close() ?? true));
  await small.kill();
});

test("the number of open sockets is a metric", async () => {
  const count = async () => {
    const text = await (
      await fetch(`${server.url}/metrics`, { headers: { authorization: `Bearer ${OWNER_KEY}` } })
    ).text();
    return Number(/^parley_open_sockets (\d+)$/m.exec(text)?.[1]);
  };
  await until("no socket", async () => (await count()) === 0);
  const sockets = await Promise.all([1, 2, 3].map(() => openSocket(server)));
  expect(await count()).toBe(3);
  for (const socket of sockets) socket.close();
  await until("no socket again", async () => (await count()) === 0);
});

describe("a stop", () => {
  let upstream: Upstream;
  beforeAll(async () => {
    upstream = await startUpstream();
  });
  afterAll(() => upstream?.close());

  test("lets a running reply end on its sockets, refuses new ones, and closes with 1012", async () => {
    const stopping = await startServer({ env: { ...upstream.env, PARLEY_DRAIN_TIMEOUT_MS: "120000" } });
    const { id } = await newConversation(stopping.owner);
    const socket = await openSocket(stopping);
    await socket.ask({ type: "conversation.subscribe", conversation_id: id });
    const send = { type: "message.send", conversation_id: id, content: "Go on." };
    const nth = upstream.calls.length + 1;
    await socket.ask({ ...send, client_message_id: "1" });
    const model = await upstream.call(nth);
    model.say("Almost ");
    await socket.frame("reply.delta");
    const ticket = await newTicket(stopping);
    const exited = stopping.kill("SIGTERM");
    await until("the draining", async () => {
      const answer = await socket.ask({ ...send, client_message_id: "2", reply: false });
      return answer.type === "error" && answer.problem.code === "draining";
    });
    const refused = await refusedUpgrade(stopping, `${PATH}?ticket=${ticket}`);
    expect({ status: refused.status, code: problemOf(refused).code }).toEqual({
      status: 503,
      code: "draining",
    });
    model.say("done.");
    model.finish();
    await socket.frame("turn.completed");
    expect((await within("the close", socket.closed)).code).toBe(1012);
    expect(await within("the exit", exited)).toBe(0);
  });

  test("does not wait for clients that do not answer its close", async () => {
    const stopping = await startServer();
    const socket = await openSocket(stopping);
    socket.ws.pause();
    expect(await within("the exit", stopping.kill("SIGTERM"))).toBe(0);
    socket.ws.terminate();
  });
});
