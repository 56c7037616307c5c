import { once } from "node:events";
import { METHODS } from "node:http";
import { connect } from "node:net";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, expect, test } from "vitest";
import { OWNER_KEY, type Server, startServer } from "../rig/server.ts";
import { allMessages, messagesPath, newConversation, post } from "./scene.ts";
import { within } from "./until.ts";

let server: Server;
let conversationId: string;

beforeAll(async () => {
  server = await startServer({ env: { MAX_MESSAGES_PER_MINUTE: "0" } });
  ({ id: conversationId } = await newConversation(server.owner));
});
afterAll(async () => {
  await server?.kill();
});

const portOf = ({ url }: { url: string }) => Number(new URL(url).port);

/** Writes these bytes, then ends its half, and gives all that comes back. */
async function talk(bytes: string | Buffer): Promise<string> {
  const socket = connect(portOf(server), "127.0.0.1");
  let answer = "";
  socket.on("data", (chunk: Buffer) => {
    answer += chunk.toString("latin1");
  });
  socket.on("error", () => {});
  const closed = new Promise((resolve) => socket.once("close", resolve));
  await once(socket, "connect");
  socket.end(bytes);
  await within("the end of the connection", closed);
  return answer;
}

const JSON_TYPE = "content-type: application/json";
const note = JSON.stringify({ content: "x", reply: false });

/** A send whose head has these lines and whose body is these bytes. */
function sending(lines: readonly string[], body: string | Buffer): Buffer {
  const head = [
    `POST ${messagesPath(conversationId)} HTTP/1.1`,
    "host: x",
    `authorization: Bearer ${OWNER_KEY}`,
    ...lines,
  ];
  return Buffer.concat([Buffer.from(`${head.join("\r\n")}\r\n\r\n`), Buffer.from(body)]);
}

/** With its true length. */
const whole =
  (body: string | Buffer, ...lines: string[]) =>
  () =>
    sending([...lines, `content-length: ${Buffer.byteLength(body)}`], body);
const chunked =
  (body: string, ...lines: string[]) =>
  () =>
    sending([JSON_TYPE, "transfer-encoding: chunked", ...lines], body);

const deep = (open: string, close: string) => `${open.repeat(100_000)}${close.repeat(100_000)}`;
const withContent = (content: string) => `{"content":${content},"reply":false}`;

/** Bodies of wrong kinds: what, the bytes, and the statuses that may answer them; none: just the end. */
const bodies: [what: string, bytes: () => Buffer, statuses: number[]][] = [
  ["no content type", whole(note), [415]],
  ["a type that is none", whole(note, "content-type: ;;;"), [415]],
  ["a form", whole("content=x&reply=false", "content-type: application/x-www-form-urlencoded"), [415]],
  ["a form in parts", whole(note, "content-type: multipart/form-data; boundary=x"), [415]],
  ["another charset", whole(note, "content-type: application/json; charset=utf-16"), [415]],
  ["gzip that is named", whole(gzipSync(note), JSON_TYPE, "content-encoding: gzip"), [415]],
  ["gzip that is not named", whole(gzipSync(note), JSON_TYPE), [400]],
  ["a gzip bomb", whole(gzipSync(Buffer.alloc(10_000_000)), JSON_TYPE, "content-encoding: gzip"), [415]],
  ["br that is none", whole(note, JSON_TYPE, "content-encoding: br"), [415]],
  ["UTF-16", whole(Buffer.from(`\ufeff${note}`, "utf16le"), JSON_TYPE), [400]],
  ["bytes that are no UTF-8", whole(Buffer.from(withContent('"\xff\xfe"'), "latin1"), JSON_TYPE), [400]],
  ["half of a character", whole(Buffer.from(withContent('"😀"')).subarray(0, 14), JSON_TYPE), [400]],
  ["half of a pair", whole(withContent('"\\ud83d"'), JSON_TYPE), [400, 422]],
  ["NUL", whole(withContent('"\\u0000"'), JSON_TYPE), [422]],
  ["bytes of zero", whole(Buffer.alloc(100), JSON_TYPE), [400]],
  ["blanks", whole(" ".repeat(1_000), JSON_TYPE), [400]],
  ["nothing", whole("", JSON_TYPE), [400, 422]],
  ["null", whole("null", JSON_TYPE), [422]],
  ["a list", whole("[]", JSON_TYPE), [422]],
  ["a text", whole('"x"', JSON_TYPE), [422]],
  ["half of it", whole(note.slice(0, 9), JSON_TYPE), [400]],
  ["more behind it", whole(`${note}{}`, JSON_TYPE), [400]],
  ["lists in lists", whole(withContent(deep("[", "]")), JSON_TYPE), [400, 422]],
  ["objects in objects", whole(withContent(deep('{"a":', "}")), JSON_TYPE), [400, 422]],
  ["a number beyond all", whole(withContent("1e999"), JSON_TYPE), [400, 422]],
  ["a number of 100,000 digits", whole(withContent("9".repeat(100_000)), JSON_TYPE), [400, 422]],
  ["NaN", whole(withContent("NaN"), JSON_TYPE), [400]],
  ["a prototype", whole('{"__proto__":{"content":"x"},"reply":false}', JSON_TYPE), [400, 422]],
  ["a constructor", whole('{"constructor":{"prototype":{"content":"x"}}}', JSON_TYPE), [400, 422]],
  [
    "100,000 fields",
    whole(`{${Array.from({ length: 100_000 }, (_, n) => `"${n}":0`)}}`, JSON_TYPE),
    [400, 422],
  ],
  ["a megabyte and more", whole(withContent(`"${"x".repeat(1_100_000)}"`), JSON_TYPE), [413]],
  ["less than its length says", () => sending([JSON_TYPE, "content-length: 9999"], note), [400]],
  ["a negative length", () => sending([JSON_TYPE, "content-length: -1"], note), [400]],
  ["a length of 10^30", () => sending([JSON_TYPE, `content-length: 1${"0".repeat(30)}`], note), [400, 413]],
  ["a length that is text", () => sending([JSON_TYPE, "content-length: ten"], note), [400]],
  ["two lengths", () => sending([JSON_TYPE, "content-length: 5", "content-length: 6"], note), [400]],
  ["length and chunks", chunked("0\r\n\r\n", "content-length: 5"), [400]],
  ["chunks of nonsense", chunked("zz\r\nnonsense\r\n0\r\n\r\n"), [400]],
  ["a chunk of 2^64", chunked("ffffffffffffffff1\r\nx"), [400, 413]],
  ["a chunk that is longer than it says", chunked(`1\r\n${note}\r\n0\r\n\r\n`), [400]],
  ["chunks without an end", chunked(`${note.length.toString(16)}\r\n${note}\r\n`), [400]],
  [
    "a chunk with 100 KB of extensions",
    chunked(`5;${"x".repeat(100_000)}\r\n${note}\r\n0\r\n\r\n`),
    [400, 413, 431],
  ],
  ["trailers without an end", chunked(`0\r\n${"x: y\r\n".repeat(10_000)}`), [400, 431]],
  [
    "chunks in a coding that is none",
    () => sending([JSON_TYPE, "transfer-encoding: cats"], note),
    [400, 501],
  ],
  ["chunks packed", () => sending([JSON_TYPE, "transfer-encoding: chunked, gzip"], note), [400, 501]],
  ["an expectation that is none", whole(note, JSON_TYPE, "expect: the-best"), [417]],
];

test.each(bodies)(
  "a body of a wrong kind (%s) is refused, and nothing is stored",
  async (_, bytes, statuses) => {
    const answer = await talk(bytes());
    const status = Number(/^HTTP\/1\.1 (\d+) /.exec(answer)?.[1]);
    expect(statuses).toContain(status);
    expect(answer).not.toMatch(/\bat .*\.(ts|js):\d+|node:internal/);
  },
);

/** What was never HTTP, or not in time: what, the bytes, and the problem that it is. */
const noise: [what: string, bytes: string, status: number, code: string][] = [
  ["nonsense", "\0\0\0\0\r\n\r\n", 400, "malformed_request"],
  ["a line that is cut", "GET\r\n\r\n", 400, "malformed_request"],
  ["a method that is none", "FOO / HTTP/1.1\r\nhost: x\r\n\r\n", 400, "malformed_request"],
  ["a header without a name", "GET / HTTP/1.1\r\nhost: x\r\n: y\r\n\r\n", 400, "malformed_request"],
  ["no host", "GET / HTTP/1.1\r\n\r\n", 400, "malformed_request"],
  [
    "a head of 100 KB",
    `GET / HTTP/1.1\r\nhost: x\r\nx: ${"y".repeat(100_000)}\r\n\r\n`,
    431,
    "head_too_large",
  ],
];

test.each(noise)("what is no request (%s) is told so as a problem", async (_, bytes, status, code) => {
  expect(problemIn(await talk(bytes))).toMatchObject({ status, code });
});

/** The problem of an answer, in its full form. */
function problemIn(answer: string): { status: number; code: string } {
  const [head = "", body = ""] = answer.split("\r\n\r\n");
  expect(head).toMatch(/^content-type: application\/problem\+json/im);
  const problem = JSON.parse(body);
  expect(head).toContain(`HTTP/1.1 ${problem.status} `);
  expect(problem).toMatchObject({ type: `/docs/problems#${problem.code}`, request_id: expect.any(String) });
  return problem;
}

test.each(["/", "/api/v2/characters", "/nowhere"])(
  "every method at %s is answered by the rules",
  async (path) => {
    for (const method of METHODS) {
      if (["GET", "HEAD", "POST"].includes(method)) continue;
      const target = method === "CONNECT" ? "example.org:443" : path;
      const answer = await talk(`${method} ${target} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`);
      // The rules of QUERY want a body with a type, wherever it is sent.
      const expected = method === "QUERY" ? "malformed_request" : "not_found";
      expect([method, problemIn(answer).code]).toEqual([method, expected]);
    }
  },
);

const get = (lines: string) => `GET /live HTTP/1.1\r\nhost: x\r\n${lines}\r\n`;
const bombs: [what: string, head: string, statuses: number[]][] = [
  ["one header of 1 MiB", get(`x: ${"y".repeat(1_048_576)}\r\n`), [431]],
  ["10,000 headers", get("x: y\r\n".repeat(10_000)), [431]],
  ["a name of 100 KB", get(`${"x".repeat(100_000)}: y\r\n`), [431]],
  ["1,000 cookies", get(`cookie: ${"a=b; ".repeat(20_000)}\r\n`), [431]],
  ["an address of 100 KB", `GET /${"x".repeat(100_000)} HTTP/1.1\r\nhost: x\r\n\r\n`, [431]],
  ["a method of 100 KB", `${"X".repeat(100_000)} / HTTP/1.1\r\nhost: x\r\n\r\n`, [400, 431]],
  ["folded lines", get(`x: y\r\n${" z\r\n".repeat(1_000)}`), [200, 400]],
  ["as many as fit", get("x: y\r\n".repeat(500)), [200]],
];

test.each(bombs)("a head with %s ends its own connection at most", async (_, head, statuses) => {
  const status = Number(
    /^HTTP\/1\.1 (\d+) /.exec(await talk(head.replace("\r\n\r\n", "\r\nconnection: close\r\n\r\n")))?.[1],
  );
  expect(statuses).toContain(status);
});

test("after all of these nothing was stored, nothing is a fault of ours, and the next send is taken", async () => {
  expect(await allMessages(server.owner, conversationId)).toEqual([]);
  expect(server.stderr()).not.toMatch(/"level":"(error|fatal)"/);
  const { status } = await post(server, messagesPath(conversationId), JSON.parse(note));
  expect(status).toBe(201);
});
