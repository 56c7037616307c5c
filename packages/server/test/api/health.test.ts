import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { OWNER_KEY, type Server, startServer } from "../rig/server.ts";
import { answering, startUpstream, type Upstream } from "../rig/upstream.ts";
import { call, expectProblem, manyAddresses, newConversation, newPerson, say } from "./helpers.ts";

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

const get = <T>(path: string, headers: Record<string, string> = {}, of: Pick<Server, "url"> = server) =>
  call<T>(of, "GET", path, { headers });

describe("probes", () => {
  test("/live says that the process runs", async () => {
    const { status, body } = await get("/live");
    expect({ status, body }).toEqual({ status: 200, body: { status: "ok" } });
  });

  test("/ready says that sends are taken, and by which checks", async () => {
    const { status, body } = await get<{ status: string; checks: Record<string, string> }>("/ready");
    expect({ status, says: body.status }).toEqual({ status: 200, says: "ok" });
    expect(Object.keys(body.checks).length).toBeGreaterThan(0);
    expect(new Set(Object.values(body.checks))).toEqual(new Set(["ok"]));
  });

  test("/health measures each dependency", async () => {
    const { status, body } = await get<{ status: string; dependencies: Record<string, object> }>("/health");
    expect({ status, says: body.status }).toEqual({ status: 200, says: "ok" });
    const checks = Object.values(body.dependencies);
    expect(checks.length).toBeGreaterThanOrEqual(2);
    for (const check of checks) expect(check).toEqual({ status: "ok", latency_ms: expect.any(Number) });
  });

  test("they answer whoever asks, with bad credentials and a provider that is down", async () => {
    const down = await startServer({
      env: { DEFAULT_LLM_PROVIDER: "openai", OPENAI_BASE_URL: "http://127.0.0.1:9/v1" },
    });
    for (const path of ["/live", "/ready", "/health"]) {
      expect((await get(path, { authorization: "Bearer bad" }, down)).status).toBe(200);
    }
    await down.kill();
  });
});

describe("/metrics", () => {
  test("is open on loopback to who comes without a forwarding header, as Prometheus text", async () => {
    const { id } = await newConversation(server.owner);
    await say(server.owner, id, "Hi.");
    const { status, headers, text } = await get("/metrics");
    expect(status).toBe(200);
    expect(headers["content-type"]).toMatch(/^text\/plain/);
    for (const line of text.split("\n").filter((one) => one !== "" && !one.startsWith("#"))) {
      expect(line).toMatch(/^[a-z_][a-z0-9_]*(\{.*\})? (-?[\d.e+-]+|NaN|[+-]Inf)$/i);
    }
    expect(text).not.toContain(id);
  });

  test("needs the owner's key as soon as a proxy stands between", async () => {
    const { client, token } = await newPerson(server);
    const key = (await client.keys.create({ name: "k" })).secret;
    const lesser = (await server.owner.keys.create({ name: "no admin", scopes: ["chat", "account"] })).secret;
    const admin = (await server.owner.keys.create({ name: "admin", scopes: ["admin"] })).secret;
    for (const name of [
      "x-forwarded-for",
      "forwarded",
      "x-real-ip",
      "x-forwarded-proto",
      "via",
      "cf-ray",
      "x-cluster-client-ip",
      "x-original-forwarded-for",
    ]) {
      const through = (credential?: string) =>
        get("/metrics", { [name]: "10.0.0.1", ...(credential && { authorization: `Bearer ${credential}` }) });
      expectProblem(await through(), 401, "unauthenticated");
      for (const bad of [token, key, lesser]) expectProblem(await through(bad), 403, "forbidden");
      for (const good of [OWNER_KEY, admin]) expect((await through(good)).status).toBe(200);
    }
  });

  test("needs it always where other machines can reach the server", async () => {
    const open = await startServer({ env: { ...upstream.env, HOST: "0.0.0.0" } });
    expectProblem(await get("/metrics", {}, open), 401, "unauthenticated");
    expect((await get("/metrics", { authorization: `Bearer ${OWNER_KEY}` }, open)).status).toBe(200);
    expect((await get("/health", {}, open)).status).toBe(200);
    await open.kill();
  });
});

describe("/", () => {
  test("is JSON that says where things are, unless HTML is asked for", async () => {
    for (const accept of [undefined, "*/*", "application/json"]) {
      const { status, headers, body } = await get<Record<string, string>>("/", { ...(accept && { accept }) });
      expect(status).toBe(200);
      expect(headers["content-type"]).toMatch(/^application\/json/);
      for (const name of ["openapi", "docs", "app"]) {
        expect((await get(body[name] as string)).status).toBe(200);
      }
    }
    const { status, headers } = await get("/", { accept: "text/html,application/xhtml+xml,*/*;q=0.8" });
    expect({ status, location: headers.location }).toEqual({ status: 302, location: "/app/" });
  });

  test("who guesses a near address is shown the way: the API's root, /docs/, a browser's favicon", async () => {
    for (const path of ["/api/v2", "/api/v2/"]) {
      expect((await get<{ docs: string }>(path)).body.docs).toBe("/docs");
      expect((await get(path, { accept: "text/html" })).headers.location).toBe("/docs");
    }
    expect((await get("/docs/")).headers.location).toBe("/docs");
    expect((await get("/favicon.ico")).status).toBe(204);
  });

  test("the page under /app/ and /app/sign-in is served, with nothing from elsewhere in it", async () => {
    for (const path of ["/app/", "/app/sign-in"]) {
      const { status, headers, text } = await get(path);
      expect(status).toBe(200);
      expect(headers["content-type"]).toMatch(/^text\/html/);
      expect(headers["content-security-policy"]).toContain("default-src 'none'");
      for (const [, address] of text.matchAll(/(?:src|href)="([^"]*)"/g)) {
        if (address?.startsWith("data:") || address?.startsWith("#")) continue;
        expect(address).not.toMatch(/^(https?:)?\/\//);
        expect((await get(new URL(address as string, `${server.url}${path}`).pathname)).status).toBeLessThan(
          400,
        );
      }
    }
    expect((await get("/app")).headers.location).toBe("/app/");
  });

  test("no path leads out of the page's folder", async () => {
    for (const path of ["/app/../package.json", "/app/%2e%2e/package.json", "/app/..%2f..%2fpackage.json"]) {
      expect((await get(path)).status).toBe(404);
    }
  });
});
