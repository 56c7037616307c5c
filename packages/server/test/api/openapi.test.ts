import { randomUUID } from "node:crypto";
import {
  contract,
  ops,
  problems,
  type Route,
  realtimeSocket,
  type Ticket,
  turnEvents,
} from "@parley-chat/sdk/contract";
import { Ajv2020 } from "ajv/dist/2020.js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { chunk, header, pngOf, rows } from "../cards/make-png.ts";
import { openSocket } from "../realtime/socket.ts";
import { OWNER_KEY, type Server, startServer } from "../rig/server.ts";
import { answering, startUpstream, type Upstream } from "../rig/upstream.ts";
import {
  type Answer,
  type CallOptions,
  call,
  eventsIn,
  everyRoute,
  manyAddresses,
  newAddress,
  newConversation,
  newPerson,
  type Person,
  say,
} from "./helpers.ts";

interface Operation {
  operationId: string;
  summary: string;
  security: Record<string, string[]>[];
  "x-access": string;
  parameters: { name: string; in: string; required: boolean; schema: object }[];
  requestBody?: { required: boolean; content: Record<string, { schema: object }> };
  responses: Record<
    string,
    {
      content?: Record<string, { schema: object }>;
      headers?: Record<string, object>;
      "x-problem-codes"?: string[];
    }
  >;
}
interface Document {
  openapi: string;
  info: { title: string; version: string };
  paths: Record<string, Record<string, Operation>>;
  components: { schemas: Record<string, object>; securitySchemes: Record<string, object> };
}

let server: Server;
let upstream: Upstream;
let ann: Person;
let document: Document;
let ajv: Ajv2020;

beforeAll(async () => {
  upstream = await startUpstream(answering("Hel", "lo."));
  server = await startServer({ env: { ...upstream.env, ...manyAddresses } });
  ann = await newPerson(server);
  const answer = await call<Document>(server, "GET", "/api/v2/openapi.json");
  expect(answer.status).toBe(200);
  expect(answer.headers["content-type"]).toMatch(/^application\/json/);
  document = answer.body;
  ajv = new Ajv2020({
    strict: false,
    formats: {
      uuid: /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/,
      "date-time": /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/,
    },
  });
  ajv.addSchema(document, "openapi");
});
afterAll(async () => {
  await server?.kill();
  upstream?.close();
});

const pointer = (...parts: string[]) =>
  parts.map((part) => `/${encodeURIComponent(part.replaceAll("~", "~0").replaceAll("/", "~1"))}`).join("");

/** Checks a value against a schema in the document; says what does not fit. */
function expectFits(value: unknown, ...parts: string[]): void {
  const validate = ajv.getSchema(`openapi#${pointer(...parts)}`);
  if (!validate) throw new Error(`there is no schema at ${parts.join(" ")}`);
  validate(value);
  expect({ at: parts.join(" "), errors: validate.errors }).toEqual({ at: parts.join(" "), errors: null });
}

const exercised = new Set<string>();

/** Makes a call and holds its answer to what the document says of it: status, type, schema, code. */
async function documented<T>(
  method: string,
  template: string,
  options: CallOptions & { params?: Record<string, string>; query?: string } = {},
): Promise<Answer<T>> {
  const path = template.replace(/\{(\w+)\}/g, (_, name: string) => options.params?.[name] as string);
  const answer = await call<T>(server, method, `${path}${options.query ?? ""}`, {
    token: ann.token,
    ...options,
  });
  const operation = document.paths[template]?.[method.toLowerCase()];
  if (!operation) throw new Error(`${method} ${template} is not documented`);
  const { operationId, responses } = operation;
  const response = responses[answer.status];
  expect({ operationId, status: answer.status, isDocumented: response !== undefined }).toMatchObject({
    isDocumented: true,
  });
  const type = answer.headers["content-type"]?.split(";")[0];
  if (response?.content === undefined) {
    expect(answer.text).toBe("");
    exercised.add(`${operationId} ${answer.status}`);
    return answer;
  }
  expect(Object.keys(response.content)).toContain(type);
  const at = [
    "paths",
    template,
    method.toLowerCase(),
    "responses",
    `${answer.status}`,
    "content",
    type as string,
  ];
  if (type === "text/event-stream") {
    for (const event of eventsIn(answer.text)) expectFits(event, ...at, "schema");
  } else if (type !== "image/png") expectFits(JSON.parse(answer.text), ...at, "schema");
  if (type === "application/problem+json") {
    expect(response["x-problem-codes"]).toContain((JSON.parse(answer.text) as { code: string }).code);
  }
  exercised.add(`${operationId} ${answer.status}`);
  return answer;
}

describe("the document", () => {
  test("is OpenAPI 3.1 and holds every route of the contract and no other, with who may call it", () => {
    expect(document.openapi).toMatch(/^3\.1\./);
    const expected = [
      ...everyRoute(),
      { name: "turns.events", route: turnEvents as Route },
      { name: "realtime.connect", route: realtimeSocket as Route },
      ...Object.entries(ops).map(([name, route]) => ({ name: `ops.${name}`, route: route as Route })),
    ];
    for (const { name, route } of expected) {
      const operation = document.paths[route.path]?.[route.method.toLowerCase()];
      expect(operation?.operationId).toBe(name);
      expect(operation?.["x-access"]).toBe(route.access);
      expect(operation?.security.length).toBe(route.access === "public" ? 0 : 2);
      for (const one of operation?.security ?? []) {
        expect(document.components.securitySchemes).toHaveProperty(Object.keys(one)[0] as string);
      }
    }
    const documentedIds = Object.values(document.paths).flatMap((methods) =>
      Object.values(methods).map(({ operationId }) => operationId),
    );
    expect(documentedIds.sort()).toEqual(expected.map(({ name }) => name).sort());
  });

  test("every $ref in it leads somewhere, and every schema compiles", () => {
    const refs: string[] = [];
    JSON.stringify(document, (key, value: unknown) => {
      if (key === "$ref") refs.push(value as string);
      return value;
    });
    expect(refs.length).toBeGreaterThan(50);
    for (const ref of new Set(refs)) {
      let at: unknown = document;
      for (const part of ref.replace(/^#\//, "").split("/")) at = (at as Record<string, unknown>)?.[part];
      expect({ ref, isThere: at !== undefined }).toEqual({ ref, isThere: true });
    }
    for (const name of Object.keys(document.components.schemas)) {
      expect(ajv.getSchema(`openapi#${pointer("components", "schemas", name)}`)).toBeTypeOf("function");
    }
  });

  test("names path parameters as the paths do, and every code of the table of problems", () => {
    for (const [path, methods] of Object.entries(document.paths)) {
      const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
      for (const { parameters } of Object.values(methods)) {
        const named = parameters.filter((one) => one.in === "path");
        expect(named.map(({ name }) => name)).toEqual(inPath);
        expect(named.every(({ required }) => required)).toBe(true);
      }
    }
    const text = JSON.stringify(document);
    for (const code of Object.keys(problems)) expect(text).toContain(`"${code}"`);
  });
});

test("every documented call is served: none answers that there is no such route", async () => {
  for (const [template, methods] of Object.entries(document.paths)) {
    for (const method of Object.keys(methods)) {
      if (template === "/api/v2/users/me" && method === "delete") continue;
      if (template === "/api/v2/sessions/current") continue;
      const path = template.replace(/\{\w+\}/g, randomUUID());
      const { status, text } = await call(server, method.toUpperCase(), path, { token: ann.token });
      expect({ template, method, text: status === 404 ? text : "" }).not.toMatchObject({
        text: expect.stringContaining("There is no GET /"),
      });
      expect(text).not.toMatch(/There is no [A-Z]+ \//);
    }
  }
});

describe("real answers are as the document says", () => {
  test("accounts, sessions and keys", async () => {
    const { email, password } = { email: `${randomUUID()}@example.org`, password: "12345678" };
    const open = (path: string, json: object) =>
      documented<{ session: { access_token: string; refresh_token: string } }>("POST", `/api/v2${path}`, {
        json,
        token: undefined,
        headers: newAddress(),
      });
    await open("/users", { email, password, display_name: "B" });
    await open("/users", { email, password });
    await open("/users", { email: "x", password });
    const { body } = await open("/sessions", { email, password });
    await open("/sessions", { email, password: "wrong" });
    await open("/sessions/refresh", { refresh_token: body.session.refresh_token });
    await open("/sessions/refresh", { refresh_token: "x" });
    const token = body.session.access_token;
    await documented("GET", "/api/v2/users/me", { token });
    await documented("GET", "/api/v2/users/me", { token: undefined });
    await documented("PATCH", "/api/v2/users/me", { token, json: { locale: "en", time_zone: "UTC" } });
    await documented("PATCH", "/api/v2/users/me", { token, json: { locale: 7 } });
    const key = await documented<{ id: string }>("POST", "/api/v2/keys", {
      token,
      json: { name: "k", expires_at: "2999-01-01T00:00:00.000Z" },
    });
    await documented("POST", "/api/v2/keys", { token, json: { name: "k", scopes: ["admin"] } });
    await documented("GET", "/api/v2/keys", { token });
    await documented("DELETE", "/api/v2/keys/{key_id}", { token, params: { key_id: key.body.id } });
    await documented("DELETE", "/api/v2/keys/{key_id}", { token, params: { key_id: randomUUID() } });
    await documented("GET", "/api/v2/users/me/export", { token });
    await documented("DELETE", "/api/v2/users/me", { token });
    await documented("DELETE", "/api/v2/sessions/current", { token: OWNER_KEY });
    const other = await newPerson(server);
    await documented("DELETE", "/api/v2/sessions/current", { token: other.token });
  });

  test("characters", async () => {
    const at = "/api/v2/characters/{character_id}";
    const made = await documented<{ id: string }>("POST", "/api/v2/characters", {
      json: { name: "A", nickname: "B", character_book: { entries: [{ keys: ["k"], content: "c" }] } },
    });
    await documented("POST", "/api/v2/characters", {
      json: { spec: "chara_card_v3", spec_version: "3.0", data: { name: "A", own_field: 1 } },
    });
    await documented("POST", "/api/v2/characters", { json: { spec: "x", data: { name: "A" } } });
    await documented("POST", "/api/v2/characters", { json: {} });
    await documented("GET", "/api/v2/characters", { query: "?limit=200" });
    await documented("GET", "/api/v2/characters", { query: "?cursor=x" });
    const params = { character_id: made.body.id };
    await documented("GET", at, { params, query: "?version=1" });
    await documented("PATCH", at, { params, json: { description: "x" }, headers: { "if-match": '"1"' } });
    await documented("PATCH", at, { params, json: { description: "y" }, headers: { "if-match": '"1"' } });
    await documented("POST", "/api/v2/characters/import", {
      json: { spec: "chara_card_v2", data: { name: "A" } },
    });
    await documented("POST", "/api/v2/characters/import", { json: { name: "A" } });
    await documented("POST", "/api/v2/characters/import", {
      raw: "x",
      headers: { "content-type": "text/plain" },
    });
    for (const format of ["json", "png", "x"]) {
      await documented("GET", `${at}/export`, { params, query: `?format=${format}` });
    }
    const starter = (await ann.client.characters.list()).items.find(({ avatar_url }) => avatar_url !== null);
    await documented("GET", `${at}/avatar`, { params: { character_id: starter?.id as string } });
    await documented("GET", `${at}/avatar`, { params });
    const raw = pngOf(header(8, 8), rows(8, 8), chunk("IEND"));
    await documented("PUT", `${at}/avatar`, { params, raw, headers: { "content-type": "image/png" } });
    await documented("PUT", `${at}/avatar`, { params, json: {} });
    await documented("GET", `${at}/avatar`, { params });
    await documented("DELETE", `${at}/avatar`, { params });
    await documented("DELETE", at, { params });
    await documented("GET", at, { params });
  });

  test("conversations, messages, turns and models, with the events of a turn", async () => {
    const { character_ids } = await newConversation(ann.client, { name: "A", first_mes: "Hi." });
    const made = await documented<{ id: string }>("POST", "/api/v2/conversations", {
      json: { character_ids },
    });
    await documented("POST", "/api/v2/conversations", { json: { character_ids: ["x", "y"] } });
    const params = { conversation_id: made.body.id };
    const one = "/api/v2/conversations/{conversation_id}";
    await documented("GET", "/api/v2/conversations");
    await documented("GET", one, { params });
    await documented("PATCH", one, {
      params,
      json: { title: "T", settings: { temperature: 1 }, tags: ["t"] },
    });
    await documented("PATCH", one, { params, json: { head_id: "x" } });

    const messages = `${one}/messages`;
    const send = <T>(json: object, headers = {}) =>
      documented<T>("POST", messages, { params, json, headers });
    const sent = await send<{ message: { id: string }; reply: { id: string }; turn: { id: string } }>({
      content: "Hi.",
      client_message_id: "c",
    });
    await send({ content: "Note.", reply: false });
    await send({ content: "" });
    await send({ content: "x".repeat(50_001) });
    await send({ content: "Other.", client_message_id: "c" });
    await send({ content: "Hi." }, { accept: "text/event-stream" });
    const turn = { turn_id: sent.body.turn.id };
    await documented("GET", "/api/v2/turns/{turn_id}/events", { params: turn });
    await documented("GET", "/api/v2/turns/{turn_id}/events", { params: turn, query: "?after=x" });
    await documented("GET", "/api/v2/turns/{turn_id}", { params: turn });
    await documented("POST", "/api/v2/turns/{turn_id}/stop", { params: turn });
    await documented("GET", messages, { params, query: "?limit=2" });
    await documented("GET", messages, { params, query: "?before=x" });
    const message = { message_id: sent.body.reply.id };
    await documented("GET", "/api/v2/messages/{message_id}", { params: message });
    await documented("POST", "/api/v2/messages/{message_id}/regenerate", { params: message });
    await documented("GET", "/api/v2/models");
    const ticket = await documented<Ticket>("POST", "/api/v2/realtime/tickets");
    await documented("GET", "/api/v2/realtime", { token: undefined });
    (await openSocket(server, { ticket: ticket.body.ticket })).close();
    exercised.add("realtime.connect 101");

    upstream.onCall = ({ response }) => void response.writeHead(400).end("{}");
    await send({ content: "Fails." }, { accept: "text/event-stream" });
    upstream.onCall = (held) => {
      held.say("Half");
      held.response.end();
    };
    await send({ content: "Breaks off." }, { accept: "text/event-stream" });
    upstream.onCall = answering("Hello.");
    await say(ann.client, made.body.id, "Fine.");
    await documented("GET", messages, { params, query: "?branch=all&limit=200" });
    const first = { message_id: sent.body.message.id };
    await documented("DELETE", "/api/v2/messages/{message_id}", { params: first });
    await documented("POST", "/api/v2/messages/{message_id}/regenerate", { params: first });
    await documented("DELETE", one, { params });
    await documented("GET", one, { params });
  });

  test("probes", async () => {
    for (const path of ["/live", "/ready", "/health"]) await documented("GET", path);
  });

  test("so that every operation has given its usual answer here", () => {
    const all = Object.values(document.paths).flatMap((methods) => Object.values(methods));
    const usual = all.map(({ operationId, responses }) => {
      const statuses = Object.keys(responses).filter((status) => status < "300");
      return statuses.some((status) => exercised.has(`${operationId} ${status}`)) ? null : operationId;
    });
    expect(usual.filter((one) => one !== null)).toEqual([]);
    expect(Object.keys(contract).length).toBeGreaterThan(7);
  });
});

describe("for people", () => {
  test("/docs is one page with every call in it, and runs nothing", async () => {
    const { status, headers, text } = await call(server, "GET", "/docs");
    expect(status).toBe(200);
    expect(headers["content-type"]).toMatch(/^text\/html/);
    expect(text).not.toMatch(/<script/i);
    const plain = text.replaceAll("<wbr>", "").replaceAll("&#39;", "'");
    for (const path of Object.keys(document.paths)) expect(plain).toContain(path.split("{")[0]);
    for (const methods of Object.values(document.paths)) {
      for (const { summary } of Object.values(methods)) expect(plain).toContain(summary);
    }
    for (const code of Object.keys(problems)) expect(text).toContain(code);
    const ids = new Set([...text.matchAll(/ id="([^"]+)"/g)].map((match) => match[1]));
    for (const [, target] of text.matchAll(/href="#([^"]+)"/g)) expect(ids).toContain(target);
  });

  test("the type of a problem is an address of this server that explains it", async () => {
    const { body } = await call<{ type: string }>(server, "GET", "/api/v2/users/me");
    const [path, fragment] = body.type.split("#");
    const page = await call(server, "GET", path as string);
    expect({ status: page.status, isThere: page.text.includes(`id="${fragment}"`) }).toEqual({
      status: 200,
      isThere: true,
    });
  });
});
