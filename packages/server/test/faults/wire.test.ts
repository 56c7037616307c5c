import type { TurnEvent } from "@parley-chat/sdk";
import { expect } from "vitest";
import type { Server } from "../rig/server.ts";
import { answering } from "../rig/upstream.ts";
import { journey, RICH_TEXT } from "./journey.ts";
import { allMessages, messagesPath, newConversation, outcome, post } from "./scene.ts";
import { createScreen } from "./screen.ts";
import { follow, openStream } from "./stream.ts";
import { until, within } from "./until.ts";

const send = async (server: Server, conversationId: string, content = "Go on.") =>
  (await post(server, messagesPath(conversationId), { content })).body;

const types = (stream: { events: readonly TurnEvent[] }) => stream.events.map(({ type }) => type);
const fields = (event: TurnEvent | undefined) => Object.keys(event ?? {}).sort();

journey("a whole turn is told in the order and with exactly the fields of the contract", async ({ rig }) => {
  const upstream = await rig.upstream();
  const server = await rig.start({ env: upstream.env });
  const { id, character_ids } = await newConversation(server.owner);
  const { message, reply, turn } = await send(server, id);
  const call = await upstream.call(1);
  const stream = openStream(server, turn.id);
  const { status, headers } = await stream.answered;
  expect(status).toBe(200);
  expect(headers["content-type"]).toMatch(/^text\/event-stream/);
  expect(headers["cache-control"]).toMatch(/no-store/);
  expect(headers["x-request-id"]).toBeTruthy();
  call.say(RICH_TEXT);
  await stream.event("reply.delta");
  call.say(" That is all.");
  call.finish();
  expect(await within("the end of the stream", stream.closed)).toBe("ended");
  expect(stream.screen.violations).toEqual([]);
  expect(types(stream)).toEqual([
    "turn.started",
    "reply.start",
    "reply.delta",
    "reply.delta",
    "reply.end",
    "turn.completed",
  ]);

  const of = { conversation_id: id, turn_id: turn.id };
  const [started, start, delta, , end, completed] = stream.events;
  expect(fields(started)).toEqual(["conversation_id", "message", "reply", "turn", "turn_id", "type"]);
  expect(started).toMatchObject({ ...of, message, turn: { id: turn.id, status: "running" } });
  expect(started).toMatchObject({ reply: { id: reply.id, status: "pending", content: "" } });
  expect(fields(start)).toEqual([
    "character_id",
    "conversation_id",
    "epoch",
    "message_id",
    "turn_id",
    "type",
  ]);
  expect(start).toMatchObject({ ...of, message_id: reply.id, character_id: character_ids[0] });
  expect(fields(delta)).toEqual(["conversation_id", "cursor", "epoch", "offset", "text", "turn_id", "type"]);
  expect(delta).toMatchObject({ ...of, offset: 0, text: RICH_TEXT });
  expect(fields(end)).toEqual([
    "conversation_id",
    "cursor",
    "epoch",
    "finish_reason",
    "message",
    "turn_id",
    "type",
    "usage",
  ]);
  const stored = await server.owner.messages.get({ message_id: reply.id });
  expect(end).toMatchObject({ ...of, message: stored, finish_reason: "stop" });
  expect(end).toMatchObject({
    usage: { prompt_tokens: 11, completion_tokens: 7, total_tokens: 18, estimated: false },
  });
  expect(fields(completed)).toEqual(["conversation_id", "turn", "turn_id", "type"]);
  expect(completed).toMatchObject({ ...of, turn: await server.owner.turns.get({ turn_id: turn.id }) });

  const replayed = await follow(server, turn.id);
  expect(types(replayed)).toEqual([
    "turn.started",
    "reply.start",
    "reply.delta",
    "reply.end",
    "turn.completed",
  ]);
  expect(replayed.events.at(-1)).toEqual(completed);
  expect(replayed.events.at(-2)).toEqual(end);
});

journey(
  "a failed turn is told with its problem, and no end of a reply where nothing was said",
  async ({ rig }) => {
    const upstream = await rig.upstream((call) => {
      call.response.writeHead(401, { "content-type": "application/json" });
      call.response.end(JSON.stringify({ error: { message: "no such key" } }));
    });
    const server = await rig.start({ env: upstream.env });
    const { id } = await newConversation(server.owner);
    const { turn } = await send(server, id);
    const stream = await follow(server, turn.id);
    await within("the end of the stream", stream.closed);
    expect(types(stream).filter((type) => type !== "reply.start")).toEqual(["turn.started", "turn.failed"]);
    const failed = stream.events.at(-1);
    expect(fields(failed)).toEqual(["conversation_id", "problem", "turn", "turn_id", "type"]);
    const stored = await server.owner.turns.get({ turn_id: turn.id });
    expect(failed).toMatchObject({ turn: stored, problem: stored.problem });
    expect(stored.problem).toMatchObject({ request_id: expect.stringMatching(/\S/), status: 502 });
  },
);

journey(
  "the stream of a queued turn answers at once and waits with turn.started until the turn runs",
  async ({ rig }) => {
    const upstream = await rig.upstream();
    const server = await rig.start({ env: upstream.env });
    const { id } = await newConversation(server.owner);
    const first = await send(server, id, "Number 1");
    const second = await send(server, id, "Number 2");
    const waiting = openStream(server, second.turn.id);
    expect((await within("the head", waiting.answered)).status).toBe(200);
    const running = openStream(server, first.turn.id);
    const call = await upstream.call(1);
    call.say("One");
    await running.event("reply.delta");
    expect(waiting.events).toEqual([]);
    call.finish();
    await within("the end of the first", running.closed);
    const started = await waiting.event("turn.started");
    expect(started.turn.status).toBe("running");
    answering("Two")(await upstream.call(2));
    await within("the end of the second", waiting.closed);
    expect([waiting.screen.text, waiting.screen.violations]).toEqual(["Two", []]);
  },
);

journey(
  "a send that asks for events gets its turn's, a retry joins it while it runs and replays it afterwards",
  async ({ rig }) => {
    const upstream = await rig.upstream();
    const server = await rig.start({ env: upstream.env });
    const { id } = await newConversation(server.owner);
    const sending = {
      post: { path: messagesPath(id), body: { content: "Go on.", client_message_id: "only-once" } },
    };
    const first = openStream(server, "", sending);
    const answer = await first.answered;
    expect([answer.status, answer.headers["idempotent-replayed"]]).toEqual([200, undefined]);
    const { turn } = await first.event("turn.started");
    const call = await upstream.call(1);
    call.say("Once ");
    const { cursor } = await first.event("reply.delta");

    const joined = openStream(server, "", sending);
    const resumed = openStream(server, "", {
      ...sending,
      lastEventId: cursor,
      screen: createScreen({ text: "Once ", epoch: first.screen.epoch }),
    });
    for (const stream of [joined, resumed]) {
      const { status, headers } = await stream.answered;
      expect([status, headers["idempotent-replayed"]]).toEqual([200, "true"]);
      expect((await stream.event("turn.started")).turn.id).toBe(turn.id);
    }
    call.say("more.");
    call.finish();
    for (const stream of [first, joined, resumed]) {
      expect(await within("the end of a stream", stream.closed)).toBe("ended");
      expect([stream.screen.text, stream.screen.violations]).toEqual(["Once more.", []]);
      expect(stream.screen.resets).toBe(0);
    }
    const replayed = openStream(server, "", sending);
    await within("the end of the replay", replayed.closed);
    expect([replayed.screen.text, replayed.screen.end?.type]).toEqual(["Once more.", "turn.completed"]);
    expect((await replayed.answered).headers["idempotent-replayed"]).toBe("true");

    const json = await post(server, messagesPath(id), sending.post.body);
    expect([json.status, json.isReplayed, json.body.turn.id]).toEqual([202, true, turn.id]);
    expect((await allMessages(server.owner, id)).length).toBe(2);
    expect(upstream.calls.length).toBe(1);
  },
);

journey(
  "a send that asks for events with a malformed Last-Event-ID is refused before anything is stored",
  async ({ rig }) => {
    const upstream = await rig.upstream(answering("Never."));
    const server = await rig.start({ env: upstream.env });
    const { id } = await newConversation(server.owner);
    const { status } = await openStream(server, "", {
      lastEventId: "no cursor",
      post: { path: messagesPath(id), body: { content: "Go on." } },
    }).answered;
    expect(status).toBe(422);
    expect(await allMessages(server.owner, id)).toEqual([]);
  },
);

journey("a note answers as JSON though events were asked for, and starts nothing", async ({ rig }) => {
  const upstream = await rig.upstream(answering("Never."));
  const server = await rig.start({ env: upstream.env });
  const { id } = await newConversation(server.owner);
  const body = { content: "A note.", reply: false, client_message_id: "note" };
  for (const isReplayed of [false, true]) {
    const answer = await post(server, messagesPath(id), body, { accept: "text/event-stream" });
    expect([answer.status, answer.isReplayed]).toEqual([201, isReplayed]);
    expect(answer.body).toMatchObject({ reply: null, turn: null, message: { content: "A note." } });
  }
  const { turn } = await send(server, id).catch(() => ({ turn: null }));
  expect((await outcome(server.owner, turn?.id as string)).status).toBe("completed");
  expect(upstream.calls.length).toBe(1);
});

journey("a stream that has nothing to say carries a comment every 15 s", async ({ rig }) => {
  const upstream = await rig.upstream();
  const server = await rig.start({ env: upstream.env });
  const { id } = await newConversation(server.owner);
  const { turn } = await send(server, id);
  const stream = openStream(server, turn.id);
  const call = await upstream.call(1);
  await until("a keep-alive", () => stream.comments.length > 0);
  call.say("Awake.");
  call.finish();
  await within("the end of the stream", stream.closed);
  expect([stream.screen.text, stream.screen.violations]).toEqual(["Awake.", []]);
});
