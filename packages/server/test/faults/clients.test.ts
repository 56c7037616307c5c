import { readFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { expect } from "vitest";
import { call, newPerson, type Person } from "../api/helpers.ts";
import { startProxy } from "../realtime/proxy.ts";
import { openSocket } from "../realtime/socket.ts";
import { alwaysCollecting, collecting, fastTicks } from "../rig/preload.ts";
import { OWNER_KEY, type Server } from "../rig/server.ts";
import { answering, type UpstreamCall } from "../rig/upstream.ts";
import { journey, journeyAlone } from "./journey.ts";
import { messagesPath, newConversation, outcome, post } from "./scene.ts";
import { openStream } from "./stream.ts";
import { until, within } from "./until.ts";

const MIB = 1024 * 1024;
const KIB = 1024;

/** The numbers of the process by their names. */
async function numbers(server: Server): Promise<(name: string) => number> {
  const { text } = await call(server, "GET", "/metrics", { token: OWNER_KEY });
  return (name) => Number(new RegExp(`^${name} (\\S+)$`, "m").exec(text)?.[1]);
}
const rss = async (server: Server) => (await numbers(server))("process_resident_memory_bytes");
/** What is in use, for a server that is `collecting`; what a process has of the system comes back as that likes. */
async function held(server: Server): Promise<number> {
  process.kill(server.pid, "SIGWINCH");
  const number = await numbers(server);
  return number("nodejs_heap_size_used_bytes") + number("nodejs_external_memory_bytes");
}
const comeBack = (server: Server, before: number) =>
  until("the memory", async () => (await held(server)) < before + 32 * MIB);

const note = { content: "x", reply: false };
/** A model that the crowd keeps waiting. */
const patient = { PARLEY_LLM_BETWEEN_TOKENS_TIMEOUT_MS: "0", PARLEY_LLM_IDLE_TIMEOUT_MS: "0" };
const unlimited = {
  MAX_MESSAGES_PER_MINUTE: "0",
  MAX_MESSAGES_PER_HOUR: "0",
  PARLEY_SOCKETS_PER_USER_MAX: "100000",
};

journey(
  "clients that vanish without a word are let go by the heartbeat, and nobody else notices",
  async ({ rig }) => {
    const upstream = await rig.upstream();
    const server = await rig.start({ env: { ...upstream.env, ...unlimited, ...fastTicks(4) } });
    const { id } = await newConversation(server.owner);
    const proxy = await startProxy(() => server.url);
    const sockets = await Promise.all(
      Array.from({ length: 50 }, () => openSocket(server, { via: proxy.url })),
    );
    for (const socket of sockets) await socket.ask({ type: "conversation.subscribe", conversation_id: id });
    expect((await numbers(server))("parley_open_sockets")).toBe(50);
    proxy.isHole = true;
    const { turn } = (await post(server, messagesPath(id), { content: "Go on." })).body;
    answering("Nobody hears this.")(await upstream.call(1));
    expect((await outcome(server.owner, turn.id)).status).toBe("completed");
    await until("no socket", async () => (await numbers(server))("parley_open_sockets") === 0);
    for (const socket of sockets) socket.ws.terminate();
    proxy.close();
    expect(server.stderr()).not.toMatch(/"level":"(error|fatal)"/);
  },
);

/** How many connections a process of ours may have, well below what the system lets it. */
function roomForConnections(): number {
  try {
    const [, max] = /^Max open files\s+\d+\s+(\d+)/m.exec(readFileSync("/proc/self/limits", "utf8")) ?? [];
    return Math.floor(Number(max ?? 4_096) * 0.9) - 200;
  } catch {
    return 2_000;
  }
}

const DEAF = 150;
const SLOW = 50;
const DEAF_SOCKETS = 25;
/** These ask on one connection for more than any system keeps for it. */
const GREEDY = 24;
const ASKED_AT_ONCE = 12;
/** Three bytes each on the wire. */
const PIECE = "百聞は一見に如かず".repeat(100);
const PIECES = 400;

/** A connection that asks for the events of a turn, for whoever wants no client. */
function listen(server: Server, turnId: string, { times = 1, after = "" } = {}): Socket {
  const socket = connect(Number(new URL(server.url).port), "127.0.0.1");
  socket.on("error", () => {});
  const head = [
    `GET /api/v2/turns/${turnId}/events HTTP/1.1`,
    "host: x",
    `authorization: Bearer ${OWNER_KEY}`,
    ...(after === "" ? [] : [`last-event-id: ${after}`]),
  ];
  socket.write(`${head.join("\r\n")}\r\n\r\n`.repeat(times));
  return socket;
}

const gone = (socket: Socket) => {
  const closed = new Promise<void>((resolve) => void socket.once("close", () => resolve()));
  socket.destroy();
  return closed;
};

journeyAlone(
  "readers that read nothing, or a byte at a time, cost what I17 allows, and it comes back when they leave",
  async ({ rig }) => {
    const upstream = await rig.upstream();
    const server = await rig.start({ env: { ...upstream.env, ...unlimited, ...alwaysCollecting } });
    const lines: string[] = [];
    await numbers(server);
    const atFirst = await held(server);
    for (let round = 1; round <= 2; round++) {
      const { id } = await newConversation(server.owner);
      const { turn } = (await post(server, messagesPath(id), { content: "At length." })).body;
      const model = await upstream.call(round);
      const before = await rss(server);
      const deaf = Array.from({ length: DEAF }, () => listen(server, turn.id).pause());
      const slow = Array.from({ length: SLOW }, () => listen(server, turn.id).pause());
      const drip = setInterval(() => {
        for (const socket of slow) socket.read(1);
      }, 1_000);
      const sockets = await Promise.all(Array.from({ length: DEAF_SOCKETS }, () => openSocket(server)));
      for (const socket of sockets) {
        await socket.ask({ type: "conversation.subscribe", conversation_id: id });
        socket.ws.pause();
      }
      const fast = openStream(server, turn.id);
      await until(
        "all streams",
        async () => (await numbers(server))("parley_open_streams") === DEAF + SLOW + 1,
      );
      for (let said = 0; said < PIECES; said++) model.say(PIECE);
      await until("the text", () => fast.screen.text.length === PIECES * PIECE.length);
      let peak = await rss(server);
      expect((await post(server, messagesPath(id), note)).status).toBe(201);
      model.finish();
      expect(await within("the end of the fast reader", fast.closed)).toBe("ended");
      expect([fast.screen.end?.type, fast.screen.violations]).toEqual(["turn.completed", []]);
      const greedy = Array.from({ length: GREEDY }, () =>
        listen(server, turn.id, { times: ASKED_AT_ONCE }).pause(),
      );
      await until("all streams", async () => (await numbers(server))("parley_open_streams") >= GREEDY);
      // Nothing tells that a stream has taken all that it will: another asks after them and is answered whole.
      const last = openStream(server, turn.id);
      expect(await within("the end of another", last.closed)).toBe("ended");
      peak = Math.max(peak, await rss(server));
      clearInterval(drip);
      await Promise.all([...deaf, ...slow, ...greedy].map(gone));
      for (const socket of sockets) socket.ws.terminate();
      await until("nobody", async () => {
        const number = await numbers(server);
        return number("parley_open_streams") === 0 && number("parley_open_sockets") === 0;
      });
      await comeBack(server, atFirst);
      const readers = DEAF + SLOW + DEAF_SOCKETS + GREEDY;
      lines.push(
        `round ${round}: ${Math.round((peak - before) / readers / KIB)} KiB for each of ${readers} readers ` +
          `of ${Math.round((PIECES * Buffer.byteLength(PIECE)) / KIB)} KiB, ${Math.round(((await held(server)) - atFirst) / MIB)} MiB held afterwards`,
      );
      // I17, one great frame for each that asks for a whole reply, and what the turn itself takes. Without a
      // bound the greedy alone would hold twelve replies each.
      expect(peak - before).toBeLessThan(readers * 256 * KIB + GREEDY * 4 * MIB + 128 * MIB);
    }
    console.log(`readers that do not read\n${lines.join("\n")}`);
  },
);

const ROUNDS = 2;
/** Half of them sockets; as many as both processes may have connections. */
const CLIENTS = Math.min(10_000, roomForConnections());

const closed = (socket: Socket, text: () => string) =>
  new Promise<never>((_, reject) => {
    socket.once("close", () => reject(new Error(`closed after ${JSON.stringify(text().slice(0, 300))}`)));
  });

/** One of the crowd. */
interface Client {
  socket: Socket;
  /** What it reads up to a sign that it waits for; asked for one after the other. */
  read(sign: string): Promise<string>;
  /** All that came. */
  told(): string;
}

function newClient(socket: Socket): Client {
  let all = "";
  let readTo = 0;
  let look = () => {};
  socket.on("data", (chunk: Buffer) => {
    all += chunk.toString("latin1");
    look();
  });
  const isClosed = closed(socket, () => all.slice(readTo));
  isClosed.catch(() => {});
  const read = (sign: string) =>
    Promise.race([
      isClosed,
      new Promise<string>((resolve) => {
        look = () => {
          const at = all.indexOf(sign, readTo);
          if (at < 0) return;
          const from = readTo;
          readTo = at + sign.length;
          look = () => {};
          resolve(all.slice(from, readTo));
        };
        look();
      }),
    ]);
  return { socket, read, told: () => all };
}

/** Goes on with a turn after a cursor. */
function resume(server: Server, turnId: string, after: string): Client {
  return newClient(listen(server, turnId, { after }));
}

/** Takes a ticket, opens a socket with it, and goes on after a cursor; on one connection, for whoever wants no client. */
async function join(server: Server, conversationId: string, after: string): Promise<Client> {
  const socket = connect(Number(new URL(server.url).port), "127.0.0.1");
  socket.on("error", () => {});
  const client = newClient(socket);
  const ask = (line: string, ...headers: string[]) =>
    socket.write(`${[`${line} HTTP/1.1`, "host: x", ...headers].join("\r\n")}\r\n\r\n`);
  ask("POST /api/v2/realtime/tickets", `authorization: Bearer ${OWNER_KEY}`, "content-length: 0");
  const ticket = /"ticket":"([^"]+)"/.exec(await client.read("}"))?.[1];
  ask(
    `GET /api/v2/realtime?ticket=${ticket}`,
    "connection: Upgrade",
    "upgrade: websocket",
    "sec-websocket-version: 13",
    `sec-websocket-key: ${Buffer.alloc(16).toString("base64")}`,
  );
  await client.read(" 101 ");
  const frame = { type: "conversation.subscribe", id: "1", conversation_id: conversationId, after };
  socket.write(maskedText(JSON.stringify(frame)));
  await client.read('"ack"');
  return client;
}

const DELTA = /"type":"reply\.delta"[^}]*?"offset":(\d+),"text":"([^"]*)"/g;

/** The text that came from a place on, by stream or socket, or what is wrong with it: all must tile (I6). */
function textAfter(offset: number, told: string): string {
  let text = "";
  for (const [, at, piece = ""] of told.matchAll(DELTA)) {
    if (Number(at) !== offset + text.length) return `${text} and then a delta at ${at}`;
    text += piece;
  }
  return text;
}

/** A frame as a client sends it (RFC 6455), its mask being zero; between 126 bytes and 64 KiB. */
const maskedText = (text: string) =>
  Buffer.concat([
    Buffer.from([0x81, 0xfe, text.length >> 8, text.length & 0xff, 0, 0, 0, 0]),
    Buffer.from(text),
  ]);

/** What a crowd comes back to: a turn that goes on, and the place up to which they have it. */
interface Scene {
  server: Server;
  another: Person;
  conversationId: string;
  turnId: string;
  model: UpstreamCall;
  after: string;
  seen: string;
}

/** The model says one piece before a crowd comes back, and one when all are there. */
const missed = (round: number) => `Missed ${round}. `;
const told = (round: number) => `Told ${round}. `;
/** What it has said in the rounds up to one. */
const said = (rounds: number) =>
  Array.from({ length: rounds }, (_, i) => missed(i + 1) + told(i + 1)).join("");

async function crowd(scene: Scene, round: number): Promise<string> {
  const { server, another, conversationId, turnId, model, after, seen } = scene;
  model.say(missed(round));
  const theirs = await another.client.conversations.create({
    character_ids: [(await another.client.characters.list({})).items[0]?.id ?? ""],
  });
  const before = await rss(server);
  const streams = Array.from({ length: CLIENTS / 2 }, async () => {
    const client = resume(server, turnId, after);
    await client.read(missed(round));
    return client;
  });
  const sockets = Array.from({ length: CLIENTS / 2 }, () => join(server, conversationId, after));
  const all = Promise.all([...streams, ...sockets]);
  // Somebody else is served meanwhile, one call after the other.
  let isThere = false;
  void all
    .catch(() => {})
    .then(() => {
      isThere = true;
    });
  let sent = 0;
  do {
    await another.client.messages.send({ conversation_id: theirs.id, ...note });
    sent++;
  } while (!isThere && sent < 5_000);
  const clients = await within("all of the crowd", all);
  const number = await numbers(server);
  expect([number("parley_open_streams"), number("parley_open_sockets")]).toEqual([CLIENTS / 2, CLIENTS / 2]);
  const peak = number("process_resident_memory_bytes");
  model.say(told(round));
  await within("what all are told", Promise.all(clients.map(({ read }) => read(told(round)))));
  const texts = new Set(clients.map((client) => textAfter(seen.length, client.told())));
  expect([...texts]).toEqual([said(round)]);
  await Promise.all(clients.map(({ socket }) => gone(socket)));
  await until("nobody", async () => {
    const now = await numbers(server);
    return now("parley_open_streams") + now("parley_open_sockets") === 0;
  });
  const lagMs = (name: string) => (number(`nodejs_eventloop_lag_${name}_seconds`) * 1_000).toFixed(0);
  expect(peak - before).toBeLessThan(CLIENTS * 128 * KIB + 64 * MIB);
  return (
    `round ${round}: ${((peak - before) / CLIENTS / KIB).toFixed(1)} KiB a connection, ${sent} messages of another meanwhile, ` +
    `event loop p99 ${lagMs("p99")} ms, max ${lagMs("max")} ms`
  );
}

journeyAlone(
  "thousands connect again at once, half to streams and half to sockets: each goes on from its cursor with nothing lost or doubled, and memory comes back",
  async ({ rig }) => {
    const upstream = await rig.upstream();
    const server = await rig.start({ env: { ...upstream.env, ...unlimited, ...patient, ...collecting } });
    const { id } = await newConversation(server.owner);
    const { turn } = (await post(server, messagesPath(id), { content: "Go on." })).body;
    const model: UpstreamCall = await upstream.call(1);
    const seen = "Hello, ";
    model.say(seen);
    const before = openStream(server, turn.id);
    const after = (await before.event("reply.delta")).cursor;
    before.cut();
    const atFirst = await held(server);
    const another = await newPerson(server);
    const scene = { server, another, conversationId: id, turnId: turn.id, model, after, seen };
    const rounds: string[] = [];
    for (let round = 1; round <= ROUNDS; round++) {
      rounds.push(await crowd(scene, round));
    }
    await comeBack(server, atFirst);
    rounds.push(`${Math.round(((await held(server)) - atFirst) / MIB)} MiB held afterwards`);
    console.log(`${CLIENTS} clients at once\n${rounds.join("\n")}`);
    const stream = openStream(server, turn.id);
    model.say("all of you.");
    model.finish();
    expect(await within("the end", stream.closed)).toBe("ended");
    expect([stream.screen.text, stream.screen.violations]).toEqual([`${seen}${said(ROUNDS)}all of you.`, []]);
    expect(server.stderr()).not.toMatch(/"level":"(error|fatal)"/);
  },
);

const DEAF_LISTENERS = 4;
/** Each brings the whole reply again: together far more than any system keeps for a connection. */
const SUBSCRIBES = 24;

journey(
  "a socket whose client asks on and on and reads nothing holds 256 KiB, and is let go when more must be told (I17)",
  async ({ rig }) => {
    const upstream = await rig.upstream();
    const server = await rig.start({ env: { ...upstream.env, ...unlimited, ...patient, ...collecting } });
    const { id } = await newConversation(server.owner);
    const { turn } = (await post(server, messagesPath(id), { content: "At length." })).body;
    const model = await upstream.call(1);
    model.say("Hello, ");
    const stream = openStream(server, turn.id);
    const { cursor } = await stream.event("reply.delta");
    const deaf = await Promise.all(
      Array.from({ length: DEAF_LISTENERS }, async () => (await join(server, id, cursor)).socket.pause()),
    );
    for (let said = 0; said < PIECES; said++) model.say(PIECE);
    await until("the text", () => stream.screen.text.length > PIECES * PIECE.length);
    const before = await held(server);

    const subscribe = { type: "conversation.subscribe", id: "x".repeat(100), conversation_id: id };
    for (const socket of deaf)
      socket.write(maskedText(JSON.stringify(subscribe)).toString("latin1").repeat(SUBSCRIBES), "latin1");
    // Nothing tells that a socket takes no more: another asks for the same after them and is told all of it.
    const witness = await openSocket(server);
    for (let n = 0; n < SUBSCRIBES; n++)
      await witness.ask({ type: "conversation.subscribe", conversation_id: id });
    witness.ws.terminate();
    const bound = DEAF_LISTENERS * 256 * KIB + 16 * MIB;
    await until("what is held", async () => (await held(server)) < before + bound);

    // What is written to all is never left out: beyond the bound they are to come again.
    const long = { content: "x".repeat(10_000), reply: false };
    for (let n = 0; n < 40; n++) expect((await post(server, messagesPath(id), long)).status).toBe(201);
    await until("no socket", async () => (await numbers(server))("parley_open_sockets") === 0);
    model.finish();
    expect(await within("the end", stream.closed)).toBe("ended");
    for (const socket of deaf) socket.destroy();
  },
);
