import { randomBytes, randomUUID } from "node:crypto";
import { connect as connectTcp } from "node:net";
import type { Message } from "@parley-chat/sdk";
import { afterAll, beforeAll, expect, test } from "vitest";
import { newConversation, note } from "../api/helpers.ts";
import { between, newSeed, seeded } from "../faults/random.ts";
import { within } from "../faults/until.ts";
import { type Server, startServer } from "../rig/server.ts";
import { newTicket, openSocket } from "./socket.ts";

let server: Server;
let conversationId: string;

beforeAll(async () => {
  server = await startServer();
  conversationId = (await newConversation(server.owner)).id;
});
afterAll(async () => {
  expect((await fetch(`${server.url}/live`)).status).toBe(200);
  await server?.kill();
});

const send = (more: object) => ({
  type: "message.send",
  conversation_id: conversationId,
  content: "x",
  client_message_id: randomUUID(),
  ...more,
});

/** Frames that fit no schema or that a rule refuses: what, the frame, its code, the path of the misfit. */
const refused: [what: string, frame: () => object | string, code: string, path?: string][] = [
  ["no JSON", () => "{", "invalid_json"],
  ["empty text", () => "", "validation_failed"],
  ["a text", () => '"ping"', "validation_failed"],
  ["a list", () => "[]", "validation_failed"],
  ["null", () => "null", "validation_failed"],
  ["a prototype key", () => '{"type":"ping","__proto__":{"id":"x"}}', "validation_failed"],
  ["too deep", () => `{"type":${"[".repeat(200)}${"]".repeat(200)}}`, "validation_failed"],
  ["no type", () => ({ id: "x" }), "validation_failed", "type"],
  ["a type of Object", () => ({ type: "toString" }), "validation_failed", "type"],
  ["an unknown type", () => ({ type: "message.sent" }), "validation_failed", "type"],
  ["an unknown field", () => ({ type: "ping", idd: "x" }), "validation_failed", "idd"],
  ["an id that is no text", () => ({ type: "ping", id: 7 }), "validation_failed", "id"],
  ["an id too long", () => ({ type: "ping", id: "x".repeat(129) }), "validation_failed", "id"],
  ["a send without an id", () => send({}), "validation_failed", "id"],
  ["a send without content", () => send({ id: "x", content: undefined }), "validation_failed", "content"],
  [
    "a send without a client id",
    () => send({ id: "x", client_message_id: undefined }),
    "validation_failed",
    "client_message_id",
  ],
  ["blank content", () => send({ id: "x", content: " \n" }), "validation_failed", "content"],
  ["NUL", () => send({ id: "x", content: "\0" }), "validation_failed", "content"],
  ["half a pair", () => send({ id: "x", content: "\ud800" }), "validation_failed", "content"],
  ["content too long", () => send({ id: "x", content: "x".repeat(50_001) }), "message_too_long", "content"],
  ["content of another type", () => send({ id: "x", content: 7 }), "validation_failed", "content"],
  ["a foreign parent", () => send({ id: "x", parent_id: randomUUID() }), "validation_failed", "parent_id"],
  ["no such conversation", () => send({ id: "x", conversation_id: randomUUID() }), "not_found"],
  ["an id that is none", () => send({ id: "x", conversation_id: "../x" }), "not_found"],
  ["a subscribe to no id", () => ({ type: "conversation.subscribe", conversation_id: "" }), "not_found"],
  [
    "a malformed cursor",
    () => ({ type: "conversation.subscribe", conversation_id: conversationId, after: "x" }),
    "invalid_cursor",
    "after",
  ],
  ["a stop of no turn", () => ({ type: "turn.stop", turn_id: randomUUID() }), "not_found"],
  ["a stop of no id", () => ({ type: "turn.stop", turn_id: "' OR 1=1 --" }), "not_found"],
];

test.each(refused)(
  "a bad frame (%s) is answered by an error and the socket goes on",
  async (_, frame, code, path) => {
    const socket = await openSocket(server);
    socket.send(frame());
    const { id, problem } = await socket.frame("error");
    expect(problem).toMatchObject({
      code,
      type: expect.any(String),
      title: expect.any(String),
      status: expect.any(Number),
      detail: expect.any(String),
      request_id: expect.any(String),
    });
    if (path !== undefined) expect(problem.errors?.map((error) => error.path)).toContain(path);
    const sent = frame();
    const hadId =
      typeof sent === "object" && "id" in sent && typeof sent.id === "string" && sent.id.length < 129;
    expect(id).toBe(hadId ? (sent as { id: string }).id : undefined);
    expect(await socket.ask({ type: "ping" })).toMatchObject({ type: "pong" });
    socket.close();
  },
);

test("the nearest known name is suggested", async () => {
  const socket = await openSocket(server);
  expect(await socket.ask({ type: "message.sent" })).toMatchObject({
    problem: { errors: [{ path: "type", message: "is not a known frame; did you mean message.send?" }] },
  });
  expect(await socket.ask(send({ clientMessageId: "x" }))).toMatchObject({
    problem: {
      errors: [{ path: "clientMessageId", message: "is not a known field; did you mean client_message_id?" }],
    },
  });
  socket.close();
});

test("a binary frame is an error; one beyond 1 MiB ends the socket, as its code says", async () => {
  const socket = await openSocket(server);
  socket.ws.send(Buffer.from('{"type":"ping"}'), { binary: true });
  expect((await socket.frame("error")).problem.code).toBe("unsupported_type");
  socket.send(`{"type":"ping","id":"${"x".repeat(1024 * 1024)}"}`);
  expect((await within("the close", socket.closed)).code).toBe(1009);
});

test("the hundred and first subscription of a socket is refused", async () => {
  const { id: character } = await server.owner.characters.create({ name: "Many" });
  const socket = await openSocket(server);
  const subscribe = async () => {
    const { id } = await server.owner.conversations.create({ character_ids: [character] });
    return socket.ask({ type: "conversation.subscribe", conversation_id: id });
  };
  for (let n = 0; n < 100; n++) expect((await subscribe()).type).toBe("ack");
  expect(await subscribe()).toMatchObject({ type: "error", problem: { code: "validation_failed" } });
  socket.close();
});

/** A client's frame by hand, masked. */
function rawFrame(firstByte: number, payload: Buffer): Buffer {
  const mask = randomBytes(4);
  const head =
    payload.length < 126
      ? Buffer.from([firstByte, 0x80 | payload.length])
      : Buffer.from([firstByte, 0x80 | 126, payload.length >> 8, payload.length & 255]);
  return Buffer.concat([head, mask, payload.map((byte, n) => byte ^ (mask[n & 3] as number))]);
}

/** Opens a socket on plain TCP and writes these bytes; resolves when the server has closed it. */
async function raw(bytes: Buffer, isLast = false): Promise<Buffer> {
  const ticket = await newTicket(server);
  const { hostname, port } = new URL(server.url);
  const socket = connectTcp(Number(port), hostname);
  const received: Buffer[] = [];
  const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
  socket.on("error", () => {});
  socket.write(
    `GET /api/v2/realtime?ticket=${ticket} HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: ${randomBytes(16).toString("base64")}\r\n\r\n`,
  );
  socket.once("data", () => (isLast ? socket.end(bytes) : socket.write(bytes)));
  socket.on("data", (chunk) => received.push(chunk));
  await within("the end of the socket", closed);
  return Buffer.concat(received);
}

test.each([
  ["an unmasked frame", Buffer.from([0x81, 1, 0x78]), 1002],
  ["a reserved bit", rawFrame(0xc1, Buffer.from("x")), 1002],
  ["an unknown opcode", rawFrame(0x83, Buffer.from("x")), 1002],
  ["a continuation of nothing", rawFrame(0x80, Buffer.from("x")), 1002],
  ["text that is not UTF-8", rawFrame(0x81, Buffer.from([0xff, 0xfe])), 1007],
  ["a fragmented ping", rawFrame(0x09, Buffer.from("x")), 1002],
])("%s is answered by a close with its code", async (_, bytes, code) => {
  const received = await raw(bytes);
  expect(received.includes(Buffer.from([code >> 8, code & 255]))).toBe(true);
});

test("random bytes and random frames never end the process", async () => {
  const random = seeded(newSeed("random frames"));
  const texts = ['{"type":"ping"}', '{"type":"message.send","id":"1"}', "[{", '{"id":{}}', "\u0000"];
  for (let round = 0; round < 40; round++) {
    const pieces = Array.from({ length: between(random, 1, 6) }, () => {
      const text = Buffer.from(texts[between(random, 0, texts.length - 1)] as string);
      const frame = rawFrame(random() < 0.7 ? 0x81 : between(random, 0, 255), text);
      if (random() < 0.3) frame[between(random, 0, frame.length - 1)] = between(random, 0, 255);
      return frame;
    });
    await raw(Buffer.concat(pieces), true);
  }
  expect((await fetch(`${server.url}/live`)).status).toBe(200);
});

test("a thousand bad frames at once are a thousand errors, and the next good one is done", async () => {
  const socket = await openSocket(server);
  for (let n = 0; n < 1_000; n++) socket.send(`{"type":"nothing-${n}"}`);
  const last = await socket.ask(send({ content: "after all that", reply: false }));
  expect((last.message as Message).content).toBe("after all that");
  expect(socket.frames.filter(({ type }) => type === "error")).toHaveLength(1_000);
  await note(server.owner, conversationId, "and over HTTP");
  socket.close();
});
