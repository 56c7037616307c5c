import { gunzipSync } from "node:zlib";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Server, startServer } from "../rig/server.ts";
import { call, expectProblem } from "./helpers.ts";

let server: Server;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server?.kill());

const get = (path: string, headers: Record<string, string> = {}) => call(server, "GET", path, { headers });
const scriptIn = (html: string) => /\/app\/assets\/[^"]+\.js/.exec(html)?.[0] as string;

test("every address within the page is the page, never from a cache without asking", async () => {
  const index = await get("/app/");
  for (const path of ["/app/sign-in", "/app/settings", "/app/chat/0193b3a2-8c1f-7d34-9a51-0c7f5e1a2b3c"]) {
    const { status, headers, text } = await get(path);
    expect([status, text]).toEqual([200, index.text]);
    expect(headers["cache-control"]).toBe("no-cache");
  }
});

test("files with a hash in their names may be kept for ever, and others are not there", async () => {
  const script = scriptIn((await get("/app/")).text);
  const { status, headers } = await get(script);
  expect(status).toBe(200);
  expect(headers).toMatchObject({
    "content-type": "text/javascript; charset=utf-8",
    "cache-control": "public, max-age=31536000, immutable",
    "x-content-type-options": "nosniff",
  });
  for (const path of [`${script}x.js`, "/app/assets/missing.css", "/app/sources.stamp", "/app/favicon.ico"]) {
    expectProblem(await get(path), 404, "not_found");
  }
});

test("who can unpack gets files packed, with the same bytes inside", async () => {
  const script = scriptIn((await get("/app/")).text);
  const plain = await fetch(server.url + script, { headers: { "accept-encoding": "identity" } });
  expect(plain.headers.get("content-encoding")).toBeNull();
  const packed = await call(server, "GET", script, { headers: { "accept-encoding": "gzip, br" } });
  expect(packed.headers).toMatchObject({ "content-encoding": "gzip", vary: "accept-encoding" });
  expect(Number(packed.headers["content-length"])).toBeLessThan((await plain.text()).length / 2);
  expect(gunzipSync(Buffer.from(await rawOf(script))).toString()).toContain("Parley");
});

/** The bytes as they came over the wire: `fetch` unpacks, so this asks by hand. */
async function rawOf(path: string): Promise<Uint8Array> {
  const { request } = await import("node:http");
  return new Promise((resolve, reject) => {
    const sent = request(server.url + path, { headers: { "accept-encoding": "gzip" } }, (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("end", () => resolve(Buffer.concat(chunks)));
    });
    sent.on("error", reject);
    sent.end();
  });
}

test("the policy lets in nothing from elsewhere, nothing inline, and no HTML made of text", async () => {
  const policy = String((await get("/app/")).headers["content-security-policy"]);
  expect(policy).toContain("default-src 'none'");
  expect(policy).toContain("script-src 'self'");
  expect(policy).toContain("require-trusted-types-for 'script'");
  expect(policy).not.toMatch(/unsafe|https?:|\*/);
});

test("the page offers an account only where one may be made", async () => {
  expect((await get("/app/")).text).toContain('data-registration="open"');
  const closed = await startServer({ env: { PARLEY_REGISTRATION: "closed" } });
  expect((await call(closed, "GET", "/app/")).text).toContain('data-registration="closed"');
  await closed.kill();
});
