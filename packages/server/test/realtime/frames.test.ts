import { randomUUID } from "node:crypto";
import type { Client, Message, Turn } from "@parley-chat/sdk";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { manyAddresses, newConversation, newPerson, note, type Person, say } from "../api/helpers.ts";
import { RICH_TEXT } from "../faults/journey.ts";
import { createScreen } from "../faults/screen.ts";
import { until } from "../faults/until.ts";
import { type Server, startServer } from "../rig/server.ts";
import { answering, startUpstream, type Upstream } from "../rig/upstream.ts";
import { type Frame, openSocket, type Socket } from "./socket.ts";

let server: Server;
let upstream: Upstream;
let ann: Person;

beforeAll(async () => {
  upstream = await startUpstream();
  server = await startServer({ env: { ...upstream.env, ...manyAddresses, MAX_MESSAGES_PER_MINUTE: "0" } });
  ann = await newPerson(server);
});
afterAll(async () => {
  await server?.kill();
  upstream?.close();
});

const open = (person = ann) => openSocket(server, { token: person.token });
const subscribe = (socket: Socket, conversation_id: string, after?: string) =>
  socket.ask({ type: "conversation.subscribe", conversation_id, ...(after !== undefined && { after }) });
const send = (client: Client, conversation_id: string, content = "Go on.") =>
  client.messages.send({ conversation_id, content }) as Promise<{
    message: Message;
    reply: Message;
    turn: Turn;
  }>;

/** Sends over HTTP and gives the call that the server makes for it. */
async function began(conversationId: string, content = "Go on.") {
  const nth = upstream.calls.length + 1;
  const sent = await send(ann.client, conversationId, content);
  return { ...sent, call: await upstream.call(nth) };
}

/** Types of frames, without what comes without a subscription. */
const types = (frames: Frame[]) =>
  frames.map(({ type }) => type).filter((type) => type !== "presence" && type !== "conversation.updated");

/** Holds the events of a socket to the promises, as if it showed this turn from nothing. */
function shown(socket: Socket, turnId: string) {
  const screen = createScreen();
  screen.connect(null);
  for (const event of socket.events()) if (event.turn_id === turnId) screen.apply(event);
  return screen;
}

test("a message goes out and its reply comes in over one socket, as over HTTP", async () => {
  const { id } = await newConversation(ann.client);
  const socket = await open();
  const nth = upstream.calls.length + 1;
  expect(await subscribe(socket, id)).toMatchObject({ type: "ack" });
  const sent = { conversation_id: id, content: RICH_TEXT, client_message_id: randomUUID() };
  const ack = await socket.ask({ type: "message.send", ...sent });
  expect(ack).toMatchObject({ type: "ack", message: { content: RICH_TEXT }, turn: { status: "queued" } });
  const call = await upstream.call(nth);
  call.say(RICH_TEXT.slice(0, 20));
  call.say(RICH_TEXT.slice(20));
  call.finish();
  const { turn } = await socket.frame("turn.completed");
  const screen = shown(socket, turn.id);
  expect({ text: screen.text, violations: screen.violations }).toEqual({ text: RICH_TEXT, violations: [] });
  expect(types(socket.frames).filter((type) => !type.startsWith("reply."))).toEqual([
    "ack",
    "message.created",
    "ack",
    "turn.started",
    "turn.completed",
  ]);
  expect((await socket.frame("message.created")).message).toEqual(ack.message);
  const http = await ann.client.messages.list({ conversation_id: id });
  expect(http.items).toEqual([
    ack.message,
    (socket.events().find(({ type }) => type === "reply.end") as unknown as { message: Message }).message,
  ]);
  socket.close();
});

describe("one message per client id (I2)", () => {
  test("whether it is sent again by this socket, by another, over HTTP, or by all at once", async () => {
    const { id } = await newConversation(ann.client);
    const [one, two] = [await open(), await open()];
    const body = { conversation_id: id, content: "Once.", client_message_id: randomUUID(), reply: false };
    const frame = { type: "message.send", ...body };
    const answers = await Promise.all([
      one.ask(frame),
      one.ask(frame),
      two.ask(frame),
      ann.client.messages.send(body),
    ]);
    const again = await two.ask(frame);
    const ids = new Set([...answers, again].map((answer) => (answer.message as Message).id));
    expect(ids.size).toBe(1);
    expect(again).toMatchObject({ type: "ack", replayed: true, reply: null, turn: null });
    expect((await ann.client.messages.list({ conversation_id: id })).items).toHaveLength(1);
    const other = await one.ask({ ...frame, content: "Other." });
    expect(other).toMatchObject({
      type: "error",
      problem: { code: "client_message_id_reused", status: 409 },
    });
    for (const socket of [one, two]) socket.close();
  });

  test("what one socket sends to a conversation without waiting is stored in its order", async () => {
    const { id } = await newConversation(ann.client);
    const socket = await open();
    const asks = Array.from({ length: 60 }, (_, n) =>
      socket.ask({
        type: "message.send",
        conversation_id: id,
        content: `${n}`,
        client_message_id: `${n}`,
        reply: false,
      }),
    );
    const seqs = (await Promise.all(asks)).map((ack) => (ack.message as Message).seq);
    expect(seqs).toEqual(Array.from({ length: 60 }, (_, n) => n + 1));
    socket.close();
  });
});

describe("a subscription", () => {
  test("without a cursor begins with what is running, from its start, and goes on with what starts later", async () => {
    const { id } = await newConversation(ann.client);
    await say(answerBy("Earlier."), id, "First.");
    const running = await began(id);
    running.call.say("Half ");
    const socket = await open();
    await subscribe(socket, id);
    await socket.frame("reply.delta");
    expect(types(socket.frames)).toEqual(["ack", "turn.started", "reply.start", "reply.delta"]);
    running.call.say("done.");
    running.call.finish();
    await socket.frame("turn.completed");
    const next = await began(id, "And then?");
    next.call.say("Then.");
    next.call.finish();
    await socket.frame("turn.completed", 2);
    expect(shown(socket, running.turn.id).text).toBe("Half done.");
    expect(shown(socket, next.turn.id).text).toBe("Then.");
    expect(shown(socket, next.turn.id).violations).toEqual([]);
    socket.close();
  });

  test("with a cursor gives the rest of that turn, then what is running", async () => {
    const { id } = await newConversation(ann.client);
    const first = await began(id);
    const reader = await open();
    await subscribe(reader, id);
    first.call.say("one ");
    const { cursor } = await reader.frame("reply.delta");
    reader.close();
    first.call.say("two");
    first.call.finish();
    const second = await began(id, "More.");
    second.call.say("three");
    const socket = await open();
    await subscribe(socket, id, cursor);
    await until("the running turn", () =>
      socket.events().some((event) => event.turn_id === second.turn.id && event.type === "reply.delta"),
    );
    expect(socket.events().map(({ type, turn_id }) => [type, turn_id === first.turn.id ? 1 : 2])).toEqual([
      ["turn.started", 1],
      ["reply.start", 1],
      ["reply.delta", 1],
      ["reply.end", 1],
      ["turn.completed", 1],
      ["turn.started", 2],
      ["reply.start", 2],
      ["reply.delta", 2],
    ]);
    expect(await socket.frame("reply.delta")).toMatchObject({ offset: 4, text: "two" });
    second.call.finish();
    await socket.frame("turn.completed", 2);
    socket.close();
  });

  test("with a cursor of another conversation's turn, or of none, is told by a reset and gets everything", async () => {
    const [here, there] = [await newConversation(ann.client), await newConversation(ann.client)];
    const elsewhere = await began(there.id);
    const reader = await open();
    await subscribe(reader, there.id);
    elsewhere.call.say("There.");
    const { cursor } = await reader.frame("reply.delta");
    elsewhere.call.finish();
    const running = await began(here.id);
    running.call.say("Here.");
    for (const after of [cursor, `t${"0".repeat(32)}.1.5`]) {
      const socket = await open();
      expect(await subscribe(socket, here.id, after)).toMatchObject({ type: "ack" });
      await socket.frame("reply.delta");
      expect(socket.events().map(({ type }) => type)).toEqual([
        "turn.started",
        "reply.reset",
        "reply.start",
        "reply.delta",
      ]);
      expect(await socket.frame("reply.reset")).toMatchObject({ reason: "unknown_cursor" });
      socket.close();
    }
    running.call.finish();
    reader.close();
  });

  test("that comes a second time replaces the first: no event comes twice", async () => {
    const { id } = await newConversation(ann.client);
    const socket = await open();
    await subscribe(socket, id);
    await subscribe(socket, id);
    const { call } = await began(id);
    call.say("Once.");
    call.finish();
    await socket.frame("turn.completed");
    await note(ann.client, id, "A note.");
    await socket.frame("message.created", 2);
    expect(types(socket.frames).slice(2)).toEqual([
      "message.created",
      "turn.started",
      "reply.start",
      "reply.delta",
      "reply.end",
      "turn.completed",
      "message.created",
    ]);
    socket.close();
  });

  test("ends with unsubscribe; others of the same socket go on", async () => {
    const [a, b] = [await newConversation(ann.client), await newConversation(ann.client)];
    const socket = await open();
    for (const { id } of [a, b]) await subscribe(socket, id);
    await socket.ask({ type: "conversation.unsubscribe", conversation_id: a.id });
    await note(ann.client, a.id, "unheard");
    await note(ann.client, b.id, "heard");
    expect((await socket.frame("message.created")).message.content).toBe("heard");
    expect(JSON.stringify(socket.frames)).not.toContain("unheard");
    socket.close();
  });

  test("hears of a queued turn that is stopped, at once, while another runs", async () => {
    const { id } = await newConversation(ann.client);
    const running = await began(id);
    running.call.say("Still ");
    const queued = await send(ann.client, id, "Me too.");
    const socket = await open();
    await subscribe(socket, id);
    await socket.frame("reply.delta");
    const stopped = await socket.ask({ type: "turn.stop", turn_id: queued.turn.id });
    expect(stopped).toMatchObject({ type: "ack", turn: { id: queued.turn.id, status: "stopped" } });
    await socket.frame("turn.stopped");
    const ofQueued = socket.events().filter(({ turn_id }) => turn_id === queued.turn.id);
    expect(ofQueued.map(({ type }) => type)).toEqual(["turn.started", "turn.stopped"]);
    running.call.say("here.");
    running.call.finish();
    await socket.frame("turn.completed");
    expect(shown(socket, running.turn.id).text).toBe("Still here.");
    socket.close();
  });

  test("hears of regenerations, notes and tombstones; replies come with their turns alone", async () => {
    const { id } = await newConversation(ann.client);
    const first = await say(answerBy("One."), id, "Say one.");
    const socket = await open();
    await subscribe(socket, id);
    upstream.onCall = answering("Two.");
    const { reply } = await ann.client.messages.regenerate({ message_id: first.reply.id });
    await socket.frame("turn.completed");
    upstream.onCall = null;
    const noted = await note(ann.client, id, "A note.");
    await ann.client.messages.remove({ message_id: noted.id });
    const { message } = await socket.frame("message.deleted");
    expect(message).toMatchObject({ id: noted.id, content: "", deleted_at: expect.any(String) });
    const created = socket.frames.filter(({ type }) => type === "message.created");
    expect(created.map((frame) => (frame.message as Message).id)).toEqual([noted.id]);
    expect((await socket.frame("turn.started")).reply.id).toBe(reply.id);
    socket.close();
  });
});

/** Lets the model answer by itself from here on, for `say`. */
function answerBy(text: string): Client {
  upstream.onCall = (call) => {
    upstream.onCall = null;
    answering(text)(call);
  };
  return ann.client;
}

test("two devices see the same events in the same order", async () => {
  const { id } = await newConversation(ann.client);
  const sockets = [await open(), await open()];
  for (const socket of sockets) await subscribe(socket, id);
  for (let round = 1; round <= 5; round++) {
    const { call, message } = await began(id, `Round ${round}`);
    call.say("a");
    await note(ann.client, id, "in between");
    call.say("b");
    call.finish();
    for (const socket of sockets) await socket.frame("turn.completed", round);
    await ann.client.messages.remove({ message_id: message.id });
  }
  await note(ann.client, id, "the last");
  const seen = async (socket: Socket) => {
    await until("the last note", () =>
      socket.frames.some(({ message }) => (message as Message | undefined)?.content === "the last"),
    );
    return socket.frames.filter(({ type }) => !/^(ack|presence|conversation\.)/.test(type));
  };
  const [first, second] = await Promise.all(sockets.map(seen));
  expect(first).toEqual(second);
  expect(first?.length).toBeGreaterThan(40);
  for (const socket of sockets) socket.close();
});

test("one's own conversations are told of on every socket, without a subscription; no one else's are", async () => {
  const person = await newPerson(server);
  const [socket, stranger] = [await open(person), await open()];
  const { id } = await newConversation(person.client);
  expect((await socket.frame("conversation.created")).conversation).toMatchObject({ id, status: "active" });
  await person.client.conversations.update({ conversation_id: id, title: "Renamed" });
  expect((await socket.frame("conversation.updated")).conversation).toMatchObject({ id, title: "Renamed" });
  await note(person.client, id, "unread");
  const last = () => socket.frames.findLast(({ type }) => type === "conversation.updated")?.conversation;
  await until("the count", () => (last() as { message_count: number }).message_count === 1);
  await subscribe(socket, id);
  await person.client.conversations.remove({ conversation_id: id });
  expect((await socket.frame("conversation.deleted")).conversation).toMatchObject({
    id,
    status: "deleted",
    title: "",
  });
  expect(await subscribe(socket, id)).toMatchObject({ type: "error", problem: { code: "not_found" } });
  expect(types(stranger.frames)).toEqual([]);
  for (const one of [socket, stranger]) one.close();
});

test("presence tells of one's own devices alone", async () => {
  const person = await newPerson(server);
  const key = await person.client.keys.create({ name: "phone" });
  const laptop = await openSocket(server, {
    token: person.token,
    ws: { headers: { "user-agent": "Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0" } },
  });
  expect((await laptop.frame("presence")).devices.map(({ name }) => name)).toEqual(["Firefox on Linux"]);
  const phone = await openSocket(server, { token: key.secret });
  const both = (await phone.frame("presence")).devices;
  expect(both).toHaveLength(2);
  expect((await laptop.frame("presence", 2)).devices).toEqual(both);
  phone.close();
  expect((await laptop.frame("presence", 3)).devices).toHaveLength(1);
  expect(JSON.stringify([laptop.frames, phone.frames])).not.toContain(key.id);
  laptop.close();
});

describe("another's conversation (I14)", () => {
  test("can be neither heard nor written to nor stopped, and answers as one that is not there", async () => {
    const canary = `canary-${randomUUID()}`;
    const { id } = await newConversation(ann.client, { name: canary });
    const { turn, call } = await began(id, canary);
    const reader = await open();
    await subscribe(reader, id);
    call.say(canary);
    const { cursor } = await reader.frame("reply.delta");
    const ben = await newPerson(server);
    const socket = await open(ben);
    const own = await newConversation(ben.client);
    const problemOf = async (frame: object) => {
      const { type, problem } = (await socket.ask(frame)) as unknown as { type: string; problem: object };
      expect(type).toBe("error");
      return { ...problem, request_id: "" };
    };
    for (const frame of [
      { type: "conversation.subscribe", conversation_id: id },
      { type: "conversation.subscribe", conversation_id: id, after: cursor },
      { type: "message.send", conversation_id: id, content: "x", client_message_id: "x" },
    ]) {
      expect(await problemOf(frame)).toEqual(await problemOf({ ...frame, conversation_id: randomUUID() }));
    }
    const stop = { type: "turn.stop", turn_id: turn.id };
    expect(await problemOf(stop)).toEqual(await problemOf({ ...stop, turn_id: randomUUID() }));
    await subscribe(socket, own.id, cursor);
    call.say(canary);
    call.finish();
    await reader.frame("turn.completed");
    await note(ann.client, id, canary);
    await reader.frame("message.created");
    expect(JSON.stringify(socket.frames)).not.toContain(canary);
    expect((await ann.client.turns.get({ turn_id: turn.id })).status).toBe("completed");
    for (const one of [reader, socket]) one.close();
  });
});
