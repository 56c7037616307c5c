import {
  type ConversationEvent,
  createRealtime,
  type OwnFrame,
  type Realtime,
  type RealtimeSettings,
  type RealtimeState,
  Undelivered,
} from "@parley-chat/sdk";
import { expect } from "vitest";
import { WebSocket } from "ws";
import { journey } from "../faults/journey.ts";
import { allMessages, newConversation } from "../faults/scene.ts";
import { createScreen } from "../faults/screen.ts";
import { until, within } from "../faults/until.ts";
import { lastingPort, type Server } from "../rig/server.ts";
import { answering } from "../rig/upstream.ts";
import { listen } from "./listen.ts";

const connect = (server: Server, more: Partial<RealtimeSettings> = {}) =>
  createRealtime({ client: server.owner, baseUrl: server.url, ...more });
const isLive = (shown: ReturnType<typeof listen>) =>
  until("a live subscription", () => shown.count("resumed") > 0);

/** Sends, and gives the id of the turn. */
async function send(realtime: Realtime, conversation_id: string, content = "Tell me.") {
  const { turn } = await realtime.send({ conversation_id, content });
  return turn?.id as string;
}

journey("a server killed in mid-reply: the socket comes back and shows one whole reply", async ({ rig }) => {
  const upstream = await rig.upstream();
  const env = { ...upstream.env, PORT: `${await lastingPort()}` };
  const first = await rig.start({ env });
  const { id } = await newConversation(first.owner);
  const realtime = connect(first);
  const states: RealtimeState[] = [];
  realtime.onState((state) => states.push(state));
  const shown = listen(realtime, id);
  await isLive(shown);
  const turnId = await send(realtime, id);
  const lost = await upstream.call(1);
  lost.say("The first half, ");
  await until("text", () => shown.screen(turnId).text !== "");
  await first.kill("SIGKILL");
  const second = await rig.start({ dataDir: first.dataDir, env });
  answering("The whole ", "story.")(await upstream.call(2));
  const { end, text, resets } = await until(
    "the end",
    () => shown.screen(turnId).end && shown.screen(turnId),
  );
  expect([end?.type, text, resets]).toEqual(["turn.completed", "The whole story.", 1]);
  expect(shown.violations()).toEqual([]);
  expect(shown.count("resumed")).toBe(2);
  expect([states.at(0), states.at(-1)]).toEqual(["open", "open"]);
  const stored = await allMessages(second.owner, id);
  expect(stored.map(({ content }) => content)).toEqual(["Tell me.", "The whole story."]);
  realtime.close();
});

journey(
  "messages sent while the server is away are sent once it is back, once, in order",
  async ({ rig }) => {
    const env = { PORT: `${await lastingPort()}` };
    const first = await rig.start({ env });
    const { id } = await newConversation(first.owner);
    const realtime = connect(first);
    await until("an open socket", () => realtime.state === "open");
    await first.kill("SIGKILL");
    await until("the break to be seen", () => realtime.state !== "open");
    const sending = [1, 2, 3].map((n) =>
      realtime.send({ conversation_id: id, content: `${n}`, reply: false }),
    );
    expect(realtime.unsent.map(({ content }) => content)).toEqual(["1", "2", "3"]);
    const second = await rig.start({ dataDir: first.dataDir, env });
    const sent = await within("the answers", Promise.all(sending));
    expect(sent.map(({ message }) => message.seq)).toEqual([1, 2, 3]);
    expect(realtime.unsent).toEqual([]);
    expect((await allMessages(second.owner, id)).map(({ content }) => content)).toEqual(["1", "2", "3"]);
    realtime.close();
  },
);

journey("what a page could not send is sent by the next, under the same client id", async ({ rig }) => {
  const values = new Map<string, string>();
  const storage = {
    getItem: (key: string) => values.get(key) ?? null,
    setItem: (key: string, value: string) => void values.set(key, value),
    removeItem: (key: string) => void values.delete(key),
  };
  const server = await rig.start();
  const { id } = await newConversation(server.owner);
  const nowhere = server.client("no-such-token");
  const page = connect(server, { client: nowhere, storage });
  const sending = page.send({
    conversation_id: id,
    content: "Hold on to this.",
    client_message_id: "kept",
    reply: false,
  });
  await expect(sending).rejects.toBeInstanceOf(Undelivered);
  expect(page.state).toBe("refused");
  page.close();
  const next = connect(server, { storage });
  expect(next.unsent).toMatchObject([{ content: "Hold on to this.", client_message_id: "kept" }]);
  await until("nothing unsent", () => next.unsent.length === 0);
  expect((await allMessages(server.owner, id)).map(({ client_message_id }) => client_message_id)).toEqual([
    "kept",
  ]);
  expect(values.size).toBe(0);
  next.close();
});

journey("a page that comes back with a cursor goes on from exactly there", async ({ rig }) => {
  const upstream = await rig.upstream();
  const server = await rig.start({ env: upstream.env });
  const { id } = await newConversation(server.owner);
  const page = connect(server);
  const before = listen(page, id);
  await isLive(before);
  const turnId = await send(page, id);
  const call = await upstream.call(1);
  call.say("Once upon ");
  const { epoch, text, cursor } = await until(
    "text",
    () => before.screen(turnId).text !== "" && before.screen(turnId),
  );
  page.close();
  call.say("a time.");
  call.finish();
  const next = connect(server);
  const screen = createScreen({ text, epoch });
  screen.connect(cursor);
  next.subscribe(id, (event) => "turn_id" in event && screen.apply(event), { after: cursor as string });
  await until("the end", () => screen.end);
  expect([screen.text, screen.resets, screen.violations]).toEqual(["Once upon a time.", 0, []]);
  next.close();
});

journey("two who listen to one conversation hear the same, whenever the second came", async ({ rig }) => {
  const upstream = await rig.upstream();
  const server = await rig.start({ env: upstream.env });
  const { id } = await newConversation(server.owner);
  const realtime = connect(server);
  const first = listen(realtime, id);
  await isLive(first);
  const turnId = await send(realtime, id);
  const call = await upstream.call(1);
  call.say("One, ");
  await until("text", () => first.screen(turnId).text !== "");
  const second = listen(realtime, id);
  await isLive(second);
  call.say("two.");
  call.finish();
  for (const shown of [first, second]) {
    await until("the end", () => shown.screen(turnId).end);
    expect(shown.screen(turnId).text).toBe("One, two.");
    expect(shown.violations()).toEqual([]);
  }
  first.stop();
  await realtime.send({ conversation_id: id, content: "Only for one.", reply: false });
  await until("the note", () => second.count("message.created") > 0);
  expect(first.count("message.created")).toBe(1);
  realtime.close();
});

journey("a turn that is stopped ends on the screen, and stop gives the turn", async ({ rig }) => {
  const upstream = await rig.upstream();
  const server = await rig.start({ env: upstream.env });
  const { id } = await newConversation(server.owner);
  const realtime = connect(server);
  const shown = listen(realtime, id);
  await isLive(shown);
  const turnId = await send(realtime, id);
  (await upstream.call(1)).say("Never ");
  await until("text", () => shown.screen(turnId).text !== "");
  expect(await realtime.stop(turnId)).toMatchObject({ id: turnId, status: "stopped" });
  await until("the end", () => shown.screen(turnId).end?.type === "turn.stopped");
  await expect(realtime.stop("01900000-0000-7000-8000-000000000000")).rejects.toMatchObject({
    code: "not_found",
  });
  realtime.close();
});

journey("a refusal rejects the send with its problem, and what follows goes out", async ({ rig }) => {
  const server = await rig.start();
  const { id } = await newConversation(server.owner);
  const realtime = connect(server);
  const sends = [" ", "fine", "nul\0", "fine too"].map((content) =>
    realtime.send({ conversation_id: id, content, reply: false }).then(
      ({ message }) => message.content,
      ({ code }: { code: string }) => code,
    ),
  );
  expect(await within("all answers", Promise.all(sends))).toEqual([
    "validation_failed",
    "fine",
    "validation_failed",
    "fine too",
  ]);
  realtime.close();
});

/** A way that lets no socket through. */
class NoSocket {
  readonly #listeners: ((event: never) => void)[] = [];
  constructor() {
    setImmediate(() => {
      for (const listener of this.#listeners) listener({} as never);
    });
  }
  send() {}
  close() {}
  addEventListener(type: string, listener: (event: never) => void) {
    if (type === "error") this.#listeners.push(listener);
  }
}

journey(
  "where no socket gets through, HTTP brings the reply, other devices' messages and the sends",
  async ({ rig }) => {
    const upstream = await rig.upstream(answering("By ", "plain ", "HTTP."));
    const server = await rig.start({ env: upstream.env });
    const { id } = await newConversation(server.owner);
    const realtime = connect(server, { WebSocket: NoSocket });
    const own: OwnFrame["type"][] = [];
    realtime.on(({ type }) => void (type !== "error" && own.push(type)));
    const shown = listen(realtime, id);
    await until("the fallback", () => realtime.state === "fallback");
    const turnId = await send(realtime, id);
    await until("the end", () => shown.screen(turnId).end);
    expect(shown.screen(turnId).text).toBe("By plain HTTP.");
    expect(shown.violations()).toEqual([]);
    const known = shown.count("resumed");
    await server.owner.messages.send({ conversation_id: id, content: "From a phone.", reply: false });
    await until("word to read the list anew", () => shown.count("resumed") > known);
    expect(own).toContain("conversation.updated");
    realtime.close();
  },
);

journey("the socket of the package ws does as well as the platform's", async ({ rig }) => {
  const server = await rig.start();
  const { id } = await newConversation(server.owner);
  const realtime = connect(server, { WebSocket });
  const events: ConversationEvent[] = [];
  realtime.subscribe(id, (event) => events.push(event));
  await until("an open socket", () => realtime.state === "open");
  const { message } = await realtime.send({ conversation_id: id, content: "Hi.", reply: false });
  await until("the message", () => events.some((event) => event.type === "message.created"));
  expect(events.find((event) => event.type === "message.created")).toEqual({
    type: "message.created",
    message,
  });
  realtime.close();
});
