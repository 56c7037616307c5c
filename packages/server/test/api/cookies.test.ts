import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Server, startServer } from "../rig/server.ts";
import { type CallOptions, call, expectProblem, manyAddresses, newAddress, newPerson } from "./helpers.ts";

interface SignedIn {
  user: { id: string };
  session: { access_token: string; refresh_token?: string };
}

let server: Server;

beforeAll(async () => {
  server = await startServer({ env: manyAddresses });
});
afterAll(() => server?.kill());

const signIn = async (headers: Record<string, string> = {}) => {
  const { email, password } = await newPerson(server);
  return call<SignedIn>(server, "POST", "/api/v2/sessions", {
    json: { email, password, cookie: true },
    headers: { ...newAddress(), ...headers },
  });
};
const refresh = (cookie: string | undefined, more: Record<string, string> = {}, options: CallOptions = {}) =>
  call<SignedIn>(server, "POST", "/api/v2/sessions/refresh", {
    ...options,
    headers: { ...(cookie && { cookie }), origin: server.url, ...more },
  });

/** The cookie of an answer, as a browser sends it back, and what it says of itself. */
function cookieOf({ headers }: { headers: { "set-cookie"?: string[] | undefined } }) {
  const [pair = "", ...attributes] = headers["set-cookie"]?.[0]?.split("; ") ?? [];
  return { pair, attributes };
}

describe("with cookie: true", () => {
  test("the refresh token goes into a cookie that no script reads and no other site sends, and nowhere else", async () => {
    const answers = [
      await signIn(),
      await call<SignedIn>(server, "POST", "/api/v2/users", {
        json: { email: "cookie@example.org", password: "12345678", cookie: true },
        headers: newAddress(),
      }),
    ];
    answers.push(await refresh(cookieOf(answers[0] as (typeof answers)[0]).pair));
    for (const answer of answers) {
      expect(answer.status).toBe(201);
      expect(Object.keys(answer.body.session).sort()).toEqual(["access_token", "expires_in", "token_type"]);
      const { pair, attributes } = cookieOf(answer);
      expect(answer.text).not.toContain(pair.split("=")[1]);
      expect(attributes.sort()).toEqual([
        "HttpOnly",
        "Max-Age=2592000",
        "Path=/api/v2/sessions",
        "SameSite=Strict",
      ]);
    }
  });

  test("the cookie is Secure where the page came by https, through a proxy or by PARLEY_PUBLIC_URL", async () => {
    const proxied = await signIn({ "x-forwarded-proto": "https" });
    expect(cookieOf(proxied).attributes).toContain("Secure");
    const named = await startServer({ env: { ...manyAddresses, PARLEY_PUBLIC_URL: "https://chat.example" } });
    const json = { email: "ann@example.org", password: "12345678", cookie: true };
    expect(cookieOf(await call(named, "POST", "/api/v2/users", { json })).attributes).toContain("Secure");
    await named.kill();
  });

  test("without it, or with cookie: false, the token is in the answer and no cookie is set", async () => {
    const { email, password } = await newPerson(server);
    for (const more of [{}, { cookie: false }]) {
      const answer = await call<SignedIn>(server, "POST", "/api/v2/sessions", {
        json: { email, password, ...more },
        headers: newAddress(),
      });
      expect(answer.headers["set-cookie"]).toBeUndefined();
      const next = await refresh(
        undefined,
        {},
        { json: { refresh_token: answer.body.session.refresh_token } },
      );
      expect(next.headers["set-cookie"]).toBeUndefined();
      expect(next.body.session.refresh_token).toEqual(expect.any(String));
    }
  });
});

describe("a refresh by cookie", () => {
  test("rotates, with or without an empty JSON body, and an old cookie ends the session", async () => {
    const first = cookieOf(await signIn());
    const second = await refresh(first.pair);
    const third = await refresh(cookieOf(second).pair, {}, { json: {} });
    expect([second.status, third.status]).toEqual([201, 201]);
    expect(new Set([first.pair, cookieOf(second).pair, cookieOf(third).pair]).size).toBe(3);
    expectProblem(await refresh(first.pair), 401, "unauthenticated");
    expectProblem(await refresh(cookieOf(third).pair), 401, "unauthenticated");
  });

  test("is refused for any other origin and for none, and uses nothing up", async () => {
    const { pair } = cookieOf(await signIn());
    const { host, port } = new URL(server.url);
    const others = ["http://evil.example", `http://127.0.0.1.evil.example:${port}`, "null", `file://${host}`];
    for (const origin of [...others, `http://localhost:${port}`]) {
      expectProblem(await refresh(pair, { origin }), 403, "forbidden");
    }
    const without = { headers: { cookie: pair } };
    expectProblem(await call(server, "POST", "/api/v2/sessions/refresh", without), 403, "forbidden");
    expect((await refresh(pair)).status).toBe(201);
  });

  test("repeated with its key within 60 s answers again, so that a reload in its midst signs nobody out", async () => {
    const { pair } = cookieOf(await signIn());
    const lost = await refresh(pair, { "idempotency-key": "tab" });
    const found = await refresh(pair, { "idempotency-key": "tab" });
    expect([lost.status, found.status]).toEqual([201, 201]);
    expect((await refresh(cookieOf(found).pair, { "idempotency-key": "tab" })).status).toBe(201);
  });

  test("without a cookie is 401, and other cookies are none of ours", async () => {
    expectProblem(await refresh(undefined), 401, "unauthenticated");
    expectProblem(await refresh("theme=dark; xparley_refresh=a"), 401, "unauthenticated");
    const { pair } = cookieOf(await signIn());
    expect((await refresh(`theme=dark; ${pair}; lang=en`)).status).toBe(201);
  });
});

test("a cookie is no credential for anything but a refresh", async () => {
  const { pair } = cookieOf(await signIn());
  expectProblem(
    await call(server, "GET", "/api/v2/users/me", { headers: { cookie: pair } }),
    401,
    "unauthenticated",
  );
});

test("signing out clears the cookie, and its token is dead", async () => {
  const signedIn = await signIn();
  const { pair } = cookieOf(signedIn);
  const token = signedIn.body.session.access_token;
  const out = await call(server, "DELETE", "/api/v2/sessions/current", { token, headers: { cookie: pair } });
  expect(out.status).toBe(204);
  expect(cookieOf(out)).toEqual({
    pair: "parley_refresh=",
    attributes: ["Path=/api/v2/sessions", "Max-Age=0", "HttpOnly", "SameSite=Strict"],
  });
  expectProblem(await refresh(pair), 401, "unauthenticated");
});
