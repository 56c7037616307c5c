import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { newSignInCode, OWNER_KEY, type Server, startServer } from "../rig/server.ts";
import { answering, startUpstream, type Upstream } from "../rig/upstream.ts";
import {
  call,
  expectProblem,
  follow,
  manyAddresses,
  newAddress,
  newConversation,
  newPerson,
  note,
  type SignedIn,
  say,
} from "./helpers.ts";

const PROVIDER_KEY = "sk-upstream-canary";
const TEXT = "canary-text-that-a-person-wrote";
let server: Server;
let upstream: Upstream;

/** What must never be seen outside, by what it is. */
const secrets: Record<string, string> = {};
/** Every answer that the server gave, but for those whose point is the secret. */
const answers: string[] = [];

const seen = async (...parameters: Parameters<typeof call>) => {
  const answer = await call(...parameters);
  answers.push(JSON.stringify(answer.headers) + answer.text);
  return answer;
};

beforeAll(async () => {
  upstream = await startUpstream(answering("Hello."));
  server = await startServer({
    env: { ...upstream.env, ...manyAddresses },
    failpoints: ["k01:throw@2"],
  });
  await provoke();
});
afterAll(async () => {
  await server?.kill();
  upstream?.close();
});

/** Goes through every call that has to do with a secret, right and wrong, and through failures of all kinds. */
async function provoke(): Promise<void> {
  const ann = await newPerson(server);
  const key = (await ann.client.keys.create({ name: "k" })).secret;
  const post = (path: string, json: object) =>
    seen(server, "POST", `/api/v2${path}`, { json, headers: newAddress() });
  const codes = await Promise.all([newSignInCode(server), newSignInCode(server)]);
  const { body: owner } = await call<SignedIn>(server, "POST", "/api/v2/sessions", {
    json: { code: codes[0] },
  });
  const { body: pair } = await call<SignedIn>(server, "POST", "/api/v2/sessions/refresh", {
    json: { refresh_token: ann.refreshToken },
    headers: { "idempotency-key": "canary-idempotency-key" },
  });
  Object.assign(secrets, {
    password: ann.password,
    newPassword: "canary-new-password",
    wrongPassword: "canary-wrong-password",
    accessToken: pair.session.access_token,
    refreshToken: pair.session.refresh_token,
    oldRefreshToken: ann.refreshToken,
    ownerAccessToken: owner.session.access_token,
    key,
    keySecret: key.split(".")[1] as string,
    environmentKey: OWNER_KEY,
    providerKey: PROVIDER_KEY,
    idempotencyKey: "canary-idempotency-key",
    usedCode: codes[0],
    unusedCode: codes[1],
  });

  await seen(server, "GET", "/api/v2/users/me", { token: `${key}x` });
  await seen(server, "GET", "/api/v2/users/me", { headers: { authorization: `Basic ${OWNER_KEY}` } });
  await seen(server, "GET", "/api/v2/users/me", { token: key, headers: { "x-api-key": OWNER_KEY } });
  await seen(server, "GET", "/api/v2/nothing/here", { token: key });
  await seen(server, "GET", "/api/v2/keys", { token: key });
  await seen(server, "GET", "/api/v2/users/me/export", { token: key });
  await post("/sessions", { email: ann.email, password: secrets.wrongPassword });
  await post("/sessions", { email: ann.email, password: [secrets.password] });
  await post("/sessions", { email: ann.email, password: secrets.password, pasword: secrets.wrongPassword });
  await post("/sessions", { code: codes[0] });
  await post("/sessions/refresh", { refresh_token: `${secrets.oldRefreshToken}x` });
  await seen(server, "POST", "/api/v2/sessions", {
    raw: `{"email":"a@b.c","password":"${secrets.password}"`,
    headers: { "content-type": "application/json" },
  });
  await call(server, "PATCH", "/api/v2/users/me", {
    token: key,
    json: { password: secrets.newPassword, current_password: secrets.password },
  });
  await seen(server, "PATCH", "/api/v2/users/me", {
    token: key,
    json: { password: "short", current_password: secrets.newPassword },
  });

  const client = server.client(key);
  const { id } = await newConversation(client, { name: "Vera", description: TEXT });
  const messages = `/api/v2/conversations/${id}/messages`;
  await say(client, id, TEXT);
  // The second send meets a fault of ours: a bug, as far as anyone can tell.
  const fault = await seen(server, "POST", messages, { token: key, json: { content: TEXT } });
  expect(expectProblem(fault, 500, "internal").detail).toBe("Something went wrong on our side.");
  await seen(server, "POST", messages, { token: key, json: { content: TEXT, parent_id: TEXT } });
  await seen(server, "POST", messages, { token: key, json: { content: [TEXT] } });
  await note(client, id, TEXT);

  // A provider that repeats in its errors what it was sent.
  for (const status of [401, 400, 500, 200]) {
    upstream.onCall = ({ response, authorization, body }) => {
      response.writeHead(status, { "content-type": status === 200 ? "text/html" : "application/json" });
      response.end(
        JSON.stringify({ error: { message: `Incorrect ${authorization} ${JSON.stringify(body)}` } }),
      );
    };
    const { turn } = await client.messages.send({ conversation_id: id, content: TEXT });
    for (const event of await follow(client, turn?.id as string)) {
      if (event.type !== "turn.started") answers.push(JSON.stringify(event));
    }
    answers.push(JSON.stringify(await client.turns.get({ turn_id: turn?.id as string })));
  }
  upstream.onCall = (held) => {
    held.say("Half");
    held.cut();
  };
  await say(client, id, TEXT);
  upstream.onCall = answering("Hello.");
  await seen(server, "GET", "/live");
  await seen(server, "GET", "/ready");
  await seen(server, "GET", "/health");
  await seen(server, "GET", "/metrics");
  await seen(server, "GET", "/api/v2/openapi.json");
  await seen(server, "GET", "/api/v2/models", { token: key });
}

test("the provider did get its key, and the server did fail, so that this proves something", () => {
  expect(upstream.calls[0]?.authorization).toBe(`Bearer ${PROVIDER_KEY}`);
  expect(server.stderr()).toContain("a call failed");
  expect(server.stderr()).toContain("a provider failed");
  expect(Object.values(secrets).every((secret) => secret?.length > 10)).toBe(true);
});

test("no answer, problem, event, metric or health check holds a secret", () => {
  for (const [name, secret] of Object.entries(secrets)) {
    for (const answer of answers) expect(answer.includes(secret) ? { name, answer } : null).toBeNull();
  }
});

test("neither the log nor what a start prints into a pipe holds a secret", () => {
  for (const [name, secret] of Object.entries(secrets)) {
    expect(server.stderr().includes(secret) ? name : null).toBeNull();
    expect(server.stdout().includes(secret) ? name : null).toBeNull();
  }
});

test("what people write is in no log, metric, health check or problem", () => {
  expect(server.stderr()).not.toContain(TEXT);
  expect(server.stdout()).not.toContain(TEXT);
  const problems = answers.filter((answer) => answer.includes('"code":') || answer.includes("# HELP"));
  expect(problems.length).toBeGreaterThan(10);
  for (const problem of problems) expect(problem).not.toContain(TEXT);
});

test("no file of the data folder holds a secret in plain, and none is for others to read", async () => {
  await server.kill("SIGTERM");
  const files = readdirSync(server.dataDir, { recursive: true, withFileTypes: true }).filter((one) =>
    one.isFile(),
  );
  const whole = Buffer.concat(files.map((file) => readFileSync(join(file.parentPath, file.name))));
  expect(files.map(({ name }) => name)).toEqual(expect.arrayContaining(["parley.db", "messages.db"]));
  expect(whole.includes(TEXT)).toBe(true);
  for (const [name, secret] of Object.entries(secrets)) {
    for (const form of [
      secret,
      Buffer.from(secret).toString("base64"),
      Buffer.from(secret).toString("hex"),
    ]) {
      expect(whole.includes(form) ? name : null).toBeNull();
    }
  }
  for (const { parentPath, name } of files) {
    expect({ name, mode: statSync(join(parentPath, name)).mode & 0o077 }).toEqual({ name, mode: 0 });
  }
  expect(statSync(server.dataDir).mode & 0o077).toBe(0);
});
