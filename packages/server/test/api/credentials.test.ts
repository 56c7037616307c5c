import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { OWNER_KEY, type Server, startServer } from "../rig/server.ts";
import { answering, startUpstream, type Upstream } from "../rig/upstream.ts";
import { call, expectProblem, manyAddresses, newConversation, newPerson, type Person } from "./helpers.ts";

const ORIGIN = "https://chat.example.org";
let server: Server;
let upstream: Upstream;
let ann: Person;
let key: string;

beforeAll(async () => {
  upstream = await startUpstream(answering("Hello."));
  server = await startServer({ env: { ...upstream.env, ...manyAddresses, ALLOWED_ORIGINS: ORIGIN } });
  ann = await newPerson(server);
  key = (await ann.client.keys.create({ name: "of Ann" })).secret;
});
afterAll(async () => {
  await server?.kill();
  upstream?.close();
});

const me = (headers: Record<string, string | string[]>) =>
  call<{ id: string; role: string }>(server, "GET", "/api/v2/users/me", { headers });

describe("one credential", () => {
  test("API_KEY, an own key and an access token are taken as Bearer, keys also as X-API-Key", async () => {
    for (const headers of [
      { authorization: `Bearer ${OWNER_KEY}` },
      { authorization: `bearer ${OWNER_KEY}` },
      { AUTHORIZATION: `BEARER ${OWNER_KEY}` },
      { "x-api-key": OWNER_KEY },
      { "X-API-KEY": OWNER_KEY },
    ]) {
      expect((await me(headers)).body.role).toBe("owner");
    }
    for (const headers of [
      { authorization: `Bearer ${key}` },
      { "x-api-key": key },
      { authorization: `Bearer ${ann.token}` },
      { authorization: `Bearer   ${ann.token}  ` },
    ]) {
      expect((await me(headers)).body.id).toBe(ann.id);
    }
  });

  test("without a good credential every door is 401 with WWW-Authenticate: Bearer", async () => {
    const [header, payload, signature] = ann.token.split(".") as [string, string, string];
    const part = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
    const forged = [
      `${part({ alg: "none", typ: "at+jwt" })}.${payload}.`,
      `${part({ alg: "none", typ: "at+jwt" })}.${payload}.${signature}`,
      `${part({ alg: "HS256", typ: "JWT" })}.${payload}.${signature}`,
      `${header}.${part({ ...JSON.parse(Buffer.from(payload, "base64url").toString()), sub: "x" })}.${signature}`,
      `${header}.${payload}.${signature.slice(0, -2)}`,
      `${header}.${payload}`,
    ];
    const bad: Record<string, string>[] = [
      {},
      { authorization: "" },
      { authorization: "Bearer" },
      { authorization: "Bearer " },
      { authorization: ann.token },
      { authorization: `Basic ${Buffer.from(`${ann.email}:${ann.password}`).toString("base64")}` },
      { authorization: `Token ${key}` },
      { authorization: `Bearer ${ann.refreshToken}` },
      { authorization: `Bearer ${OWNER_KEY}x` },
      { authorization: `Bearer ${OWNER_KEY.slice(0, -1)}` },
      { authorization: `Bearer ${key.slice(0, -1)}` },
      { "x-api-key": `${key}0` },
      { "x-api-key": key.toUpperCase() },
      { authorization: "Bearer ' or 1=1 --" },
      { authorization: "Bearer \x00\xff".replace("\x00", "%00") },
      ...forged.map((token) => ({ authorization: `Bearer ${token}` })),
    ];
    for (const headers of bad) {
      const answer = await me(headers);
      expectProblem(answer, 401, "unauthenticated");
      expect(answer.headers["www-authenticate"]).toBe("Bearer");
      for (const token of Object.values(headers)) {
        if (token.length > 20) expect(answer.text).not.toContain(token.split(" ").at(-1));
      }
    }
  });

  test("a credential in the address is none", async () => {
    for (const name of ["token", "access_token", "api_key", "key"]) {
      const answer = await call(server, "GET", `/api/v2/conversations?${name}=${OWNER_KEY}`);
      expectProblem(answer, 401, "unauthenticated");
    }
  });

  test("who calls is settled before the body is read", async () => {
    const headers = { "content-type": "application/json" };
    expectProblem(
      await call(server, "POST", "/api/v2/conversations", { headers, raw: "{" }),
      401,
      "unauthenticated",
    );
  });
});

describe("several credentials", () => {
  test("are 400 in every combination, equal ones too, whichever would be good", async () => {
    const bearer = (token: string) => `Bearer ${token}`;
    const several: Record<string, string | string[]>[] = [
      { authorization: bearer(ann.token), "x-api-key": key },
      { authorization: bearer(key), "x-api-key": key },
      { authorization: bearer("bad"), "x-api-key": key },
      { authorization: bearer(ann.token), "x-api-key": "bad" },
      { authorization: [bearer(ann.token), bearer(ann.token)] },
      { authorization: [bearer(key), bearer("bad")] },
      { authorization: [bearer("bad"), bearer(OWNER_KEY)] },
      { authorization: `${bearer(ann.token)}, ${bearer(OWNER_KEY)}` },
      { authorization: `Bearer ${key}, ${key}` },
      { "x-api-key": [key, key] },
      { "x-api-key": [key, "bad"] },
      { "x-api-key": `${key}, ${key}` },
      { authorization: [bearer(key), bearer(key)], "x-api-key": key },
      { authorization: "Basic YTpi", "x-api-key": key },
    ];
    for (const headers of several) expectProblem(await me(headers), 400, "several_credentials");
  });

  test("are 400 also where nobody asks who calls", async () => {
    const headers = { authorization: `Bearer ${OWNER_KEY}`, "x-api-key": OWNER_KEY };
    const answer = await call(server, "POST", "/api/v2/sessions", { json: { code: "x" }, headers });
    expectProblem(answer, 400, "several_credentials");
  });

  test("are 400 on streams and on metrics as well", async () => {
    const headers = { authorization: `Bearer ${OWNER_KEY}`, "x-api-key": OWNER_KEY };
    const turn = "/api/v2/turns/00000000-0000-7000-8000-000000000000/events";
    expectProblem(await call(server, "GET", turn, { headers }), 400, "several_credentials");
    expectProblem(
      await call(server, "GET", "/metrics", { headers: { ...headers, "x-forwarded-for": "10.9.9.9" } }),
      400,
      "several_credentials",
    );
  });
});

describe("CORS", () => {
  test("an allowed origin may ask first, and hears which methods and headers it may use", async () => {
    const answer = await call(server, "OPTIONS", "/api/v2/conversations", {
      headers: {
        origin: ORIGIN,
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization, content-type, idempotency-key",
      },
    });
    expect(answer.status).toBe(204);
    expect(answer.headers["access-control-allow-origin"]).toBe(ORIGIN);
    const list = (name: string) => String(answer.headers[name]).toLowerCase().split(/, */);
    expect(list("access-control-allow-methods")).toEqual(
      expect.arrayContaining(["get", "post", "patch", "delete"]),
    );
    expect(list("access-control-allow-headers")).toEqual(
      expect.arrayContaining([
        ...["authorization", "x-api-key", "content-type", "idempotency-key"],
        ...["if-match", "last-event-id", "x-request-id"],
      ]),
    );
    expect(answer.headers["access-control-allow-credentials"]).toBeUndefined();
  });

  test("its pages can read every answer, problems and streams included, and the headers that matter", async () => {
    const { id } = await newConversation(ann.client);
    const sent = await call(server, "POST", `/api/v2/conversations/${id}/messages`, {
      token: ann.token,
      json: { content: "Hi." },
      headers: { origin: ORIGIN, accept: "text/event-stream" },
    });
    const answers = [
      sent,
      await call(server, "GET", "/api/v2/users/me", { token: ann.token, headers: { origin: ORIGIN } }),
      await call(server, "GET", "/api/v2/users/me", { headers: { origin: ORIGIN } }),
      await call(server, "GET", "/api/v2/nothing", { headers: { origin: ORIGIN } }),
    ];
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 401, 404]);
    for (const { headers } of answers) {
      expect(headers["access-control-allow-origin"]).toBe(ORIGIN);
      expect(String(headers.vary).toLowerCase()).toContain("origin");
      const exposed = String(headers["access-control-expose-headers"]).toLowerCase().split(/, */);
      expect(exposed).toEqual(
        expect.arrayContaining([
          ...["x-request-id", "retry-after", "ratelimit", "ratelimit-policy", "idempotent-replayed"],
        ]),
      );
    }
  });

  test("caches are told of the origin also where the answer depends on more", async () => {
    const headers = { origin: ORIGIN, "accept-encoding": "gzip" };
    const page = await call(server, "GET", "/app/", { headers });
    expect(page.headers).toMatchObject({ "content-encoding": "gzip", vary: "origin, accept-encoding" });
  });

  test("another origin is allowed nothing", async () => {
    for (const origin of [
      "https://evil.example.org",
      `${ORIGIN}.evil.org`,
      "null",
      "http://chat.example.org",
    ]) {
      for (const method of ["OPTIONS", "GET"]) {
        const answer = await call(server, method, "/api/v2/users/me", { headers: { origin } });
        expect(answer.headers["access-control-allow-origin"]).toBeUndefined();
      }
    }
  });
});
