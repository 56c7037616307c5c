import { connect } from "node:net";
import { expect } from "vitest";
import { OWNER_KEY, type Server } from "../rig/server.ts";
import { answering } from "../rig/upstream.ts";
import { journey, RICH_TEXT } from "./journey.ts";
import { messagesPath, newConversation, outcome, post } from "./scene.ts";
import { until, within } from "./until.ts";

const send = async (server: Server, conversationId: string) =>
  (await post(server, messagesPath(conversationId), { content: "Go on." })).body;

const get = (path: string, version = "1.1", more = "") =>
  `GET ${path} HTTP/${version}\r\nhost: x\r\nauthorization: Bearer ${OWNER_KEY}\r\n${more}\r\n`;

interface Answer {
  head: string;
  body: string;
}

/** A connection by hand: what is written, and every byte that comes back. */
function dial(server: Server) {
  const socket = connect(Number(new URL(server.url).port), "127.0.0.1");
  const chunks: Buffer[] = [];
  socket.on("data", (chunk: Buffer) => void chunks.push(chunk));
  socket.on("error", () => {});
  const closed = new Promise<void>((resolve) => void socket.once("close", () => resolve()));
  return { socket, closed, bytes: () => Buffer.concat(chunks) };
}

/** Reads answers as RFC 9112 has them, one behind the other; null where the last is not whole yet. */
function readAnswers(bytes: Buffer, isClosed: boolean): Answer[] | null {
  const answers: Answer[] = [];
  for (let at = 0; at < bytes.length; ) {
    const headEnd = bytes.indexOf("\r\n\r\n", at);
    if (headEnd < 0) return null;
    const head = bytes.toString("latin1", at, headEnd);
    at = headEnd + 4;
    const length = /^content-length: (\d+)$/im.exec(head)?.[1];
    if (length !== undefined) {
      answers.push({ head, body: bytes.toString("utf8", at, at + Number(length)) });
      at += Number(length);
    } else if (/^transfer-encoding: chunked$/im.test(head)) {
      const read = readChunks(bytes, at);
      if (!read) return null;
      answers.push({ head, body: read.body });
      at = read.end;
    } else {
      if (!isClosed) return null;
      answers.push({ head, body: bytes.toString("utf8", at) });
      at = bytes.length;
    }
  }
  return answers;
}

function readChunks(bytes: Buffer, from: number): { body: string; end: number } | null {
  const parts: Buffer[] = [];
  for (let at = from; ; ) {
    const lineEnd = bytes.indexOf("\r\n", at);
    if (lineEnd < 0) return null;
    const line = bytes.toString("latin1", at, lineEnd);
    expect(line).toMatch(/^[0-9a-f]+$/);
    const size = Number.parseInt(line, 16);
    const end = lineEnd + 2 + size;
    if (bytes.length < end + 2) return null;
    expect(bytes.toString("latin1", end, end + 2)).toBe("\r\n");
    if (size === 0) return { body: Buffer.concat(parts).toString(), end: end + 2 };
    parts.push(bytes.subarray(lineEnd + 2, end));
    at = end + 2;
  }
}

const isWholeStream = ({ head, body }: Answer) =>
  /^HTTP\/1\.\d 200/.test(head) &&
  body.includes(JSON.stringify(RICH_TEXT).slice(1, -1)) &&
  /\n\nevent: turn\.completed\ndata: [^\n]+\n\n$/.test(body);

journey(
  "a stream shares its connection: pipelined calls and a second stream behind it are answered in order",
  async ({ rig }) => {
    const upstream = await rig.upstream();
    const server = await rig.start({ env: upstream.env });
    const { id } = await newConversation(server.owner);
    const { turn } = await send(server, id);
    const call = await upstream.call(1);
    const { socket, bytes } = dial(server);
    const events = `/api/v2/turns/${turn.id}/events`;
    socket.write(get("/live") + get(events) + get("/live") + get(events) + get(`/api/v2/turns/${turn.id}`));
    await until("the first answer", () => bytes().includes('{"status":"ok"}'));
    answering(RICH_TEXT)(call);
    const answers = await until("five answers", () => {
      const read = readAnswers(bytes(), false);
      return read?.length === 5 && read;
    });
    expect(answers.map(({ head }) => head.split(" ")[1])).toEqual(["200", "200", "200", "200", "200"]);
    expect([answers[0]?.body, answers[2]?.body]).toEqual(['{"status":"ok"}', '{"status":"ok"}']);
    expect(answers.filter(isWholeStream)).toEqual([answers[1], answers[3]]);
    expect(JSON.parse(answers[4]?.body ?? "")).toMatchObject({ id: turn.id });
    socket.destroy();
  },
);

journey(
  "a client of HTTP/1.0 gets the stream without chunks, and the end of the connection as its end",
  async ({ rig }) => {
    const upstream = await rig.upstream();
    const server = await rig.start({ env: upstream.env });
    const { id } = await newConversation(server.owner);
    const { turn } = await send(server, id);
    const call = await upstream.call(1);
    const { socket, bytes, closed } = dial(server);
    socket.write(get(`/api/v2/turns/${turn.id}/events`, "1.0"));
    await until("the head", () => bytes().includes("\r\n\r\n"));
    answering(RICH_TEXT)(call);
    await within("the end of the connection", closed);
    const answers = readAnswers(bytes(), true);
    expect(answers?.length).toBe(1);
    expect(answers?.every(isWholeStream)).toBe(true);
  },
);

journey(
  "a client that closes its half of the connection still hears the stream or its end, and nothing breaks",
  async ({ rig }) => {
    const upstream = await rig.upstream();
    const server = await rig.start({ env: upstream.env });
    const { id } = await newConversation(server.owner);
    const { turn } = await send(server, id);
    const call = await upstream.call(1);
    const connections = Array.from({ length: 10 }, () => dial(server));
    for (const [n, { socket, bytes }] of connections.entries()) {
      socket.write(get(`/api/v2/turns/${turn.id}/events`));
      if (n % 2 === 0) await until("the head", () => bytes().includes("\r\n\r\n"));
      if (n % 3 === 0) socket.resetAndDestroy();
      else socket.end();
    }
    answering(RICH_TEXT)(call);
    for (const { closed } of connections) await within("the end of a connection", closed);
    expect((await outcome(server.owner, turn.id)).status).toBe("completed");
    expect(server.stderr()).not.toMatch(/a fault of ours|"level":"(error|fatal)"/);
  },
);

journey(
  "calls whose connection broke before their turn came are forgotten, and hold up no stop",
  async ({ rig }) => {
    const upstream = await rig.upstream();
    const server = await rig.start({ env: { ...upstream.env, PARLEY_DRAIN_TIMEOUT_MS: "1000000" } });
    const { id } = await newConversation(server.owner);
    const { turn } = await send(server, id);
    const call = await upstream.call(1);
    const { socket, bytes } = dial(server);
    socket.write(get(`/api/v2/turns/${turn.id}/events`) + get("/live").repeat(20));
    await until("the head", () => bytes().includes("\r\n\r\n"));
    socket.resetAndDestroy();
    answering(RICH_TEXT)(call);
    expect((await outcome(server.owner, turn.id)).status).toBe("completed");
    expect(await within("the exit", server.kill("SIGTERM"))).toBe(0);
  },
);
