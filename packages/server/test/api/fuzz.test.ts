import { connect } from "node:net";
import { type ProblemDocument, problems, type Route, turnEvents } from "@parley-chat/sdk/contract";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Server, startServer } from "../rig/server.ts";
import { answering, startUpstream, type Upstream } from "../rig/upstream.ts";
import {
  type Answer,
  call,
  everyRoute,
  manyAddresses,
  newAddress,
  newConversation,
  newPerson,
  type Person,
  say,
} from "./helpers.ts";

let server: Server;
let upstream: Upstream;
let ann: Person;
let ids: Record<string, string>;

beforeAll(async () => {
  upstream = await startUpstream(answering("Hello."));
  const off = { MAX_MESSAGES_PER_MINUTE: "0", MAX_MESSAGES_PER_HOUR: "0", MAX_MESSAGES_PER_DAY: "0" };
  server = await startServer({ env: { ...upstream.env, ...manyAddresses, ...off } });
  ann = await newPerson(server);
});
afterAll(async () => {
  await server?.kill();
  upstream?.close();
});

/** Everything anew, since some of the calls delete or fill it. */
async function renewIds(): Promise<void> {
  const conversation = await newConversation(ann.client);
  const { reply, turn } = await say(ann.client, conversation.id, "Hi.");
  ids = {
    conversation_id: conversation.id,
    character_id: conversation.character_ids[0] as string,
    message_id: reply.id,
    turn_id: turn.id,
    key_id: (await ann.client.keys.create({ name: "k" })).id,
  };
}

/** What has broken parsers, queries and stores elsewhere. */
const texts = [
  ...[
    "",
    " ",
    "\0",
    "a\0b",
    "'",
    '"',
    "' or '1'='1",
    "'; drop table users; --",
    "%' escape '!",
    "%",
    "_",
    "\\",
  ],
  ...[
    "$ne",
    "{{char}}",
    "__proto__",
    "constructor",
    "toString",
    "../../etc/passwd",
    "null",
    "NaN",
    "-0",
    "1e309",
  ],
  ...["\u{10ffff}", "\ufffe", "\u202e", "e\u0301", "🦉".repeat(300), "x".repeat(5_000), "\r\nx: y", "ﬃ"],
];
const others: unknown[] = [
  ...[null, true, 0, -1, 1.5, 2 ** 53, 1e308, [], {}, [[]], { a: { b: { c: [] } } }, ["x"], [null]],
  ...[{ $gt: "" }, { toString: "x" }, { length: -1 }, Array(300).fill("x")],
];
const halfPairs = ["\\ud800", "\\udfff x", "a\\ud83d"];

/** An answer is a success or one of our problems; nothing that is sent in is a fault of ours. */
function expectSane(answer: Answer<unknown>, what: unknown): void {
  const isFault = answer.status >= 500;
  expect({ what, status: answer.status, text: isFault ? answer.text : "" }).toMatchObject({ text: "" });
  if (answer.status < 400) return;
  const problem = JSON.parse(answer.text) as ProblemDocument;
  expect(problems[problem.code]?.[0]).toBe(answer.status);
}

interface ObjectSchema {
  properties?: Record<string, ObjectSchema>;
  anyOf?: ObjectSchema[];
}

/** The fields of a schema, those one level down too. */
const fieldsOf = (schema: ObjectSchema | undefined): string[][] =>
  (schema?.anyOf ?? [schema ?? {}]).flatMap((one) =>
    Object.entries(one.properties ?? {}).flatMap(([name, inner]) => [
      [name],
      ...Object.keys(inner.properties ?? {}).map((below) => [name, below]),
    ]),
  );

const bases: Record<string, () => object> = {
  "users.create": () => ({ email: "a@example.org", password: "12345678" }),
  "sessions.create": () => ({ email: "a@example.org", password: "12345678" }),
  "keys.create": () => ({ name: "k" }),
  "characters.create": () => ({ name: "A" }),
  "conversations.create": () => ({ character_ids: [ids.character_id] }),
  "messages.send": () => ({ content: "x", reply: false }),
};
/** Each of its calls costs a password's hash. */
const isDear = (name: string) => name === "users.create" || name === "sessions.create";
const isHarmful = (name: string) => name === "users.remove" || name === "sessions.end";

const pathOf = (route: Route) => route.path.replace(/\{(\w+)\}/, (_, name: string) => ids[name] as string);

const withField = (base: object, path: string[], value: unknown): object => {
  const [name, below] = path as [string, string | undefined];
  return { ...base, [name]: below === undefined ? value : { [below]: value } };
};

test("no value of any field of any body is a fault of ours", async () => {
  for (const { name, route } of everyRoute()) {
    if (!route.body || isHarmful(name)) continue;
    await renewIds();
    const base = bases[name]?.() ?? {};
    const values = isDear(name) ? ["\0", "' or 1=1 --", null, {}] : [...texts, ...others];
    for (const path of fieldsOf(route.body as ObjectSchema)) {
      const bodies = values.map((value) => JSON.stringify(withField(base, path, value)));
      for (const half of halfPairs) {
        bodies.push(JSON.stringify(withField(base, path, "HALF")).replace("HALF", half));
        bodies.push(JSON.stringify({ ...base, HALF: 1 }).replace("HALF", half));
      }
      const answers = bodies.map(async (raw) => {
        const headers = { "content-type": "application/json", ...newAddress() };
        const answer = await call(server, route.method, pathOf(route), { token: ann.token, raw, headers });
        expectSane(answer, { name, path, raw: raw.slice(0, 200) });
      });
      await Promise.all(answers);
    }
  }
});

test("no value of any query parameter or id in a path is a fault of ours", async () => {
  await renewIds();
  const routes = [...everyRoute(), { name: "turns.events", route: turnEvents as Route }];
  for (const { name, route } of routes) {
    if (isHarmful(name)) continue;
    const parameters = [
      ...Object.keys((route.query as ObjectSchema | undefined)?.properties ?? {}),
      "unknown",
    ];
    const encoded = [
      ...texts.map(encodeURIComponent),
      "%ff",
      "%c0%af",
      "%ed%a0%80",
      "a&a=b",
      "x[]=1",
      "x[y]=1",
    ];
    const paths =
      route.method === "GET"
        ? parameters.flatMap((p) => encoded.map((text) => `${pathOf(route)}?${p}=${text}`))
        : [];
    if (route.path.includes("{")) {
      for (const text of encoded.filter((one) => one !== "")) {
        paths.push(route.path.replace(/\{\w+\}/, text.replaceAll("&", "%26")));
      }
    }
    const json = route.body ? (bases[name]?.() ?? {}) : undefined;
    await Promise.all(
      paths.map(async (path) => {
        const answer = await call(server, route.method, path, { token: ann.token, json });
        expectSane(answer, { name, path: path.slice(0, 200) });
      }),
    );
  }
});

test("no value of any header that we read is a fault of ours, and none lets anyone in", async () => {
  await renewIds();
  const sendable = [
    ...texts,
    "Bearer",
    "Bearer  ",
    "bearer\tx",
    "W/",
    '"',
    '"1',
    "*",
    "a,b,,c",
    "\x7f",
    "\xff\xfe",
  ]
    .map((text) => text.replace(/[^\t\x20-\x7e\x80-\xff]/g, ""))
    .filter((text) => text.trim() !== "");
  const names = [
    "idempotency-key",
    "if-match",
    "x-request-id",
    "last-event-id",
    "accept",
    "origin",
    "x-forwarded-for",
  ];
  for (const value of sendable) {
    for (const name of names) {
      const headers = { [name]: value };
      const patch = { token: ann.token, headers, json: { description: value.slice(0, 9) } };
      expectSane(await call(server, "PATCH", `/api/v2/characters/${ids.character_id}`, patch), {
        name,
        value,
      });
      const events = `/api/v2/turns/${ids.turn_id}/events`;
      expectSane(await call(server, "GET", events, { token: ann.token, headers }), { name, value });
    }
    for (const name of ["authorization", "x-api-key", "cookie"]) {
      for (const sent of [value, `Bearer ${value}`]) {
        const answer = await call(server, "GET", "/api/v2/users/me", { headers: { [name]: sent } });
        expectSane(answer, { name, sent });
        expect([400, 401]).toContain(answer.status);
      }
    }
  }
});

test("what is no HTTP, or too much of it, ends its own connection and nothing else", async () => {
  const { port } = new URL(server.url);
  const talk = (text: string | Buffer) =>
    new Promise<string>((resolve) => {
      let answer = "";
      const socket = connect(Number(port), "127.0.0.1", () => socket.end(text));
      socket.on("data", (chunk: Buffer) => {
        answer += chunk.toString("latin1");
      });
      socket.on("error", () => {});
      socket.on("close", () => resolve(answer));
    });
  const lines = "\r\nhost: x\r\n\r\n";
  const nonsense: (string | Buffer)[] = [
    "nonsense\r\n\r\n",
    "GET",
    Buffer.from([0x16, 0x03, 0x01, 0x02, 0x00, 0x01]),
    `GET / HTTP/9.9${lines}`,
    `GET ${"/x".repeat(20_000)} HTTP/1.1${lines}`,
    `GET / HTTP/1.1\r\nx: ${"y".repeat(100_000)}${lines}`,
    `GET /\0 HTTP/1.1${lines}`,
    `GET //// HTTP/1.1${lines}`,
    `GET http://evil.example.org/api/v2/users/me HTTP/1.1${lines}`,
    `POST /api/v2/sessions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: -1\r\n\r\n{}`,
    `POST /api/v2/sessions HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n{}`,
    `POST /api/v2/sessions HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n`,
    `POST /api/v2/sessions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n{"co`,
    `GET /api/v2/realtime HTTP/1.1\r\nconnection: upgrade\r\nupgrade: websocket${lines}`,
    `CONNECT evil.example.org:80 HTTP/1.1${lines}`,
  ];
  for (const one of nonsense) {
    const answer = await talk(one);
    expect(answer).not.toMatch(/^HTTP\/1\.1 (2|5)/);
  }
  expect((await call(server, "GET", "/live")).status).toBe(200);
});

test("after all of this the log holds no fault of ours, and the person's account still works", async () => {
  expect(server.stderr()).not.toContain("a call failed");
  expect(server.stderr()).not.toContain('"level":"error"');
  expect((await ann.client.users.me()).id).toBe(ann.id);
});
