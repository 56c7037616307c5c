import { expect } from "vitest";
import type { Server } from "../rig/server.ts";
import { answering, type UpstreamCall } from "../rig/upstream.ts";
import { asked, journey } from "./journey.ts";
import { allMessages, messagesPath, newConversation, outcome, post, refusal } from "./scene.ts";
import { openStream } from "./stream.ts";
import { until, within } from "./until.ts";

const send = async (server: Server, conversationId: string, content = "Talk for ever.") =>
  (await post(server, messagesPath(conversationId), { content })).body;

journey(
  "stop from another connection aborts the provider's request and keeps the text so far as incomplete",
  async ({ rig }) => {
    const upstream = await rig.upstream();
    const server = await rig.start({ env: upstream.env });
    const { id } = await newConversation(server.owner);
    const { turn, reply } = await send(server, id);
    const stream = openStream(server, turn.id);
    const call = await upstream.call(1);
    call.say("On and ");
    call.say("on 🌀");
    await stream.event("reply.delta", 2);
    const stopped = await server.client((await session(server)).token).turns.stop({ turn_id: turn.id });
    await within("the end of the provider's request", call.closed);
    expect(stopped.status).toBe("stopped");

    expect(await within("the end of the stream", stream.closed)).toBe("ended");
    expect(stream.screen.violations).toEqual([]);
    expect(stream.events.map(({ type }) => type).slice(-2)).toEqual(["reply.end", "turn.stopped"]);
    const kept = await server.owner.messages.get({ message_id: reply.id });
    expect(kept).toMatchObject({ status: "incomplete", finish_reason: "stopped", content: "On and on 🌀" });
    expect(upstream.calls.length).toBe(1);
  },
);

/** The same person, signed in on another device. */
async function session(server: Server): Promise<{ token: string }> {
  const key = await server.owner.keys.create({ name: "another device" });
  return { token: key.secret };
}

journey(
  "a stopped turn that had said nothing leaves a failed reply, and the next turn runs",
  async ({ rig }) => {
    const upstream = await rig.upstream();
    const server = await rig.start({ env: upstream.env });
    const { id } = await newConversation(server.owner);
    const { turn, reply } = await send(server, id);
    await upstream.call(1);
    expect((await server.owner.turns.stop({ turn_id: turn.id })).status).toBe("stopped");
    const kept = await server.owner.messages.get({ message_id: reply.id });
    expect(kept).toMatchObject({ status: "failed", finish_reason: "stopped", content: "" });
    upstream.onCall = answering("Here.");
    const next = await send(server, id, "Still there?");
    expect((await outcome(server.owner, next.turn.id)).status).toBe("completed");
  },
);

journey(
  "a queued turn stops at once, its stream says so, and the provider never hears of it",
  async ({ rig }) => {
    const upstream = await rig.upstream();
    const server = await rig.start({ env: upstream.env });
    const { id } = await newConversation(server.owner);
    const first = await send(server, id, "Number 1");
    const second = await send(server, id, "Number 2");
    const third = await send(server, id, "Number 3");
    const call = await upstream.call(1);
    const stream = openStream(server, second.turn.id);
    expect((await within("the head of a stream that waits", stream.answered)).status).toBe(200);
    expect(stream.events).toEqual([]);

    expect((await server.owner.turns.stop({ turn_id: second.turn.id })).status).toBe("stopped");
    expect(await within("the end of the stream", stream.closed)).toBe("ended");
    expect(stream.events.map(({ type }) => type)).toEqual(["turn.started", "turn.stopped"]);
    const kept = await server.owner.messages.get({ message_id: second.reply.id });
    expect(kept).toMatchObject({ status: "failed", finish_reason: "stopped", content: "" });
    expect((await server.owner.turns.get({ turn_id: first.turn.id })).status).toBe("running");

    call.say("One.");
    call.finish();
    expect((await outcome(server.owner, first.turn.id)).status).toBe("completed");
    answering("Three.")(await upstream.call(2));
    expect((await outcome(server.owner, third.turn.id)).status).toBe("completed");
    expect(upstream.calls.length).toBe(2);
    expect(asked(upstream.calls[1] as UpstreamCall)).toMatch(/Number 3$/);
  },
);

journey("a stop after the end changes nothing and answers with the turn", async ({ rig }) => {
  const upstream = await rig.upstream(answering("Short."));
  const server = await rig.start({ env: upstream.env });
  const { id } = await newConversation(server.owner);
  const { turn, reply } = await send(server, id);
  const ended = await outcome(server.owner, turn.id);
  expect(await server.owner.turns.stop({ turn_id: turn.id })).toEqual(ended);
  expect(ended.status).toBe("completed");
  expect((await server.owner.messages.get({ message_id: reply.id })).status).toBe("complete");
});

journey("many stops at once end a turn once, and all answer with the same outcome", async ({ rig }) => {
  const upstream = await rig.upstream();
  const server = await rig.start({ env: upstream.env });
  const { id } = await newConversation(server.owner);
  const { turn } = await send(server, id);
  const stream = openStream(server, turn.id);
  (await upstream.call(1)).say("On and on");
  await stream.event("reply.delta");
  const stops = await Promise.all(
    Array.from({ length: 8 }, () => server.owner.turns.stop({ turn_id: turn.id })),
  );
  for (const stopped of stops) expect(stopped).toEqual(stops[0]);
  expect(stops[0]?.status).toBe("stopped");
  await within("the end of the stream", stream.closed);
  expect(stream.events.filter(({ type }) => type === "turn.stopped").length).toBe(1);
  expect(stream.screen.violations).toEqual([]);
});

journey("a stop that races the end of a reply leaves one outcome, the same for everyone", async ({ rig }) => {
  const upstream = await rig.upstream();
  const server = await rig.start({ env: upstream.env });
  const { id } = await newConversation(server.owner);
  for (let round = 1; round <= 20; round++) {
    const { turn, reply } = await send(server, id, `Round ${round}`);
    const stream = openStream(server, turn.id);
    const call = await upstream.call(round);
    call.say("Almost ");
    await stream.event("reply.delta");
    call.say("done.");
    const stopping = server.owner.turns.stop({ turn_id: turn.id });
    call.finish();
    const stopped = await stopping;
    await within("the end of the stream", stream.closed);
    const stored = await server.owner.messages.get({ message_id: reply.id });
    expect(stopped).toEqual(await server.owner.turns.get({ turn_id: turn.id }));
    expect(stream.screen.end?.type).toBe(`turn.${stopped.status}`);
    expect(stream.screen.text).toBe(stored.content);
    expect(stored.status).toBe(stopped.status === "completed" ? "complete" : "incomplete");
    expect(stream.screen.violations).toEqual([]);
  }
});

journey("a stop while a failed call waits for its next attempt ends the turn at once", async ({ rig }) => {
  const upstream = await rig.upstream((call) => {
    call.response.writeHead(429, { "content-type": "application/json", "retry-after": "5" });
    call.response.end("{}");
  });
  const server = await rig.start({ env: upstream.env });
  const { id } = await newConversation(server.owner);
  const { turn } = await send(server, id);
  await within("the end of the provider's answer", (await upstream.call(1)).closed);
  const stopped = await server.owner.turns.stop({ turn_id: turn.id });
  expect(stopped.status).toBe("stopped");
  expect(stopped.problem).toBeUndefined();
  expect(upstream.calls.length).toBe(1);
});

journey(
  "deleting a conversation ends its streams with turn.stopped, aborts the provider, and leaves 404",
  async ({ rig }) => {
    const upstream = await rig.upstream();
    const server = await rig.start({ env: upstream.env });
    const { id } = await newConversation(server.owner);
    const sent = [];
    for (const n of [1, 2, 3]) sent.push(await send(server, id, `Number ${n}`));
    const call = await upstream.call(1);
    const streams = sent.map(({ turn }) => openStream(server, turn.id));
    call.say("Soon gone");
    await streams[0]?.event("reply.delta");
    await within("the other streams", Promise.all(streams.map(({ answered }) => answered)));

    await server.owner.conversations.remove({ conversation_id: id });
    await within("the end of the provider's request", call.closed);
    for (const stream of streams) {
      expect(await within("the end of a stream", stream.closed)).toBe("ended");
      expect(stream.screen.end?.type).toBe("turn.stopped");
      expect(stream.screen.violations).toEqual([]);
    }
    for (const { message, turn } of sent) {
      expect((await refusal(server.owner.messages.get({ message_id: message.id }))).code).toBe("not_found");
      expect((await refusal(server.owner.turns.stop({ turn_id: turn.id }))).code).toBe("not_found");
      expect(await openStream(server, turn.id).answered).toMatchObject({ status: 404 });
    }
    expect((await refusal(server.owner.messages.list({ conversation_id: id }))).status).toBe(404);
    expect(upstream.calls.length).toBe(1);
  },
);

journey("a message or reply whose turn has not ended is neither deleted nor regenerated", async ({ rig }) => {
  const upstream = await rig.upstream();
  const server = await rig.start({ env: upstream.env });
  const { id } = await newConversation(server.owner);
  const { message, reply, turn } = await send(server, id);
  await upstream.call(1);
  for (const message_id of [message.id, reply.id]) {
    expect((await refusal(server.owner.messages.remove({ message_id }))).code).toBe("in_flight");
    expect((await refusal(server.owner.messages.regenerate({ message_id }))).code).toBe("in_flight");
  }
  await server.owner.turns.stop({ turn_id: turn.id });
  await server.owner.messages.remove({ message_id: reply.id });
  const messages = await allMessages(server.owner, id);
  expect(messages.map(({ seq, deleted_at }) => [seq, deleted_at !== undefined])).toEqual([
    [1, false],
    [2, true],
  ]);
});

journey(
  "two clients that send at once get their own places, and every reader sees one order",
  async ({ rig }) => {
    const upstream = await rig.upstream((call) => answering(`To ${asked(call)}`)(call));
    const server = await rig.start({ env: { ...upstream.env, MAX_MESSAGES_PER_MINUTE: "0" } });
    const { id } = await newConversation(server.owner);
    const clients = [server.owner, server.client((await session(server)).token)];
    const sent = await Promise.all(
      clients.flatMap((client, who) =>
        Array.from({ length: 10 }, (_, n) =>
          client.messages.send({
            conversation_id: id,
            content: `${who}.${n}`,
            client_message_id: `${who}.${n}`,
          }),
        ),
      ),
    );
    for (const { turn } of sent) {
      expect((await outcome(server.owner, turn?.id as string)).status).toBe("completed");
    }
    const lists = await Promise.all(clients.map((client) => allMessages(client, id)));
    expect(lists[0]).toEqual(lists[1]);
    expect(lists[0]?.map(({ seq }) => seq)).toEqual(Array.from({ length: 40 }, (_, n) => n + 1));
    expect(new Set(sent.map(({ message }) => message.seq)).size).toBe(20);
    for (const { message, reply } of sent) expect(reply?.seq).toBe(message.seq + 1);
    await until("nothing active", async () => {
      const { active_turn_id } = await server.owner.conversations.get({ conversation_id: id });
      return active_turn_id === null;
    });
    expect(upstream.calls.length).toBe(20);
  },
);

journey("the same message sent by two clients at once is one message with one turn", async ({ rig }) => {
  const upstream = await rig.upstream((call) => answering(`To ${asked(call)}`)(call));
  const server = await rig.start({ env: { ...upstream.env, MAX_MESSAGES_PER_MINUTE: "0" } });
  const { id } = await newConversation(server.owner);
  const clients = [server.owner, server.client((await session(server)).token)];
  for (let n = 0; n < 10; n++) {
    const body = { conversation_id: id, content: `Number ${n}`, client_message_id: `${n}` };
    const [a, b] = await Promise.all(clients.map((client) => client.messages.send(body)));
    expect([a?.message.id, a?.reply?.id, a?.turn?.id]).toEqual([b?.message.id, b?.reply?.id, b?.turn?.id]);
    await outcome(server.owner, a?.turn?.id as string);
  }
  expect((await allMessages(server.owner, id)).length).toBe(20);
  expect(upstream.calls.length).toBe(10);
});
