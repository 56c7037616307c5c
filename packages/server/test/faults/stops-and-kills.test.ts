import { expect } from "vitest";
import type { Server } from "../rig/server.ts";
import { answering } from "../rig/upstream.ts";
import { asked, journey } from "./journey.ts";
import { allMessages, messagesPath, newConversation, outcome, post, refusal } from "./scene.ts";
import { follow, openStream } from "./stream.ts";
import { within } from "./until.ts";

const send = async (server: Server, conversationId: string, content = "Talk for ever.") =>
  (await post(server, messagesPath(conversationId), { content, client_message_id: content })).body;

const hitDeath = async (server: Server) =>
  expect(await within("the death of the process", server.exited)).toBe("SIGKILL");

/** Each point at which a stop can be cut once its wish is stored. */
const STOP_POINTS = [
  { at: "k17:kill", where: "the wish stored, nothing aborted" },
  { at: "k12:kill", where: "inside the write of the stopped outcome" },
];

journey.for(STOP_POINTS)(
  "a wish to stop holds over kill -9 at $at ($where): the turn ends stopped, once, unasked",
  async ({ at }, { rig }) => {
    const upstream = await rig.upstream();
    const server = await rig.start({ env: upstream.env, failpoints: [at] });
    const { id } = await newConversation(server.owner);
    const { turn } = await send(server, id);
    const stream = openStream(server, turn.id);
    (await upstream.call(1)).say("On and on");
    await stream.event("reply.delta");
    const stopping = server.owner.turns.stop({ turn_id: turn.id }).catch(() => null);
    await hitDeath(server);
    expect(await stopping).toBeNull();

    const restarted = await rig.start({ dataDir: server.dataDir, env: upstream.env });
    const ended = await outcome(restarted.owner, turn.id);
    expect(ended.status).toBe("stopped");
    expect(await restarted.owner.turns.stop({ turn_id: turn.id })).toEqual(ended);
    const { screen } = await follow(restarted, turn.id, {
      after: stream.screen.cursor as string,
      screen: stream.screen,
    });
    expect(screen.end?.type).toBe("turn.stopped");
    expect(screen.violations).toEqual([]);
    const messages = await allMessages(restarted.owner, id);
    expect(messages.map(({ status, finish_reason }) => [status, finish_reason])).toEqual([
      ["complete", undefined],
      [screen.text === "" ? "failed" : "incomplete", "stopped"],
    ]);
    expect(upstream.calls.length).toBe(1);
  },
);

journey(
  "a turn killed in all its attempts ends once as attempts_exhausted, and the conversation goes on",
  async ({ rig }) => {
    const upstream = await rig.upstream((call) => call.say("It begins"));
    let server = await rig.start({ env: upstream.env, failpoints: ["k10:kill"] });
    const { dataDir } = server;
    const { id } = await newConversation(server.owner);
    const { turn } = await send(server, id);
    await hitDeath(server);
    for (let kills = 1; kills < 3; kills++) {
      server = await rig.start({ dataDir, env: upstream.env, failpoints: ["k10:kill"] }).catch(() => server);
      await hitDeath(server);
    }

    upstream.onCall = answering("All is well.");
    server = await rig.start({ dataDir, env: upstream.env });
    const ended = await outcome(server.owner, turn.id);
    expect([ended.status, ended.problem?.code]).toEqual(["failed", "attempts_exhausted"]);
    expect(ended.problem?.detail).toMatch(/regenerate/i);
    expect(upstream.calls.length).toBe(3);
    const { screen } = await follow(server, turn.id);
    expect([screen.end?.type, screen.violations]).toEqual(["turn.failed", []]);

    const next = await send(server, id, "And now?");
    expect((await outcome(server.owner, next.turn.id)).status).toBe("completed");
    const again = await server.owner.messages.regenerate({ message_id: next.reply.id });
    expect((await outcome(server.owner, again.turn.id)).status).toBe("completed");
  },
);

journey("a deleted conversation starts nothing after kill -9, and stays away", async ({ rig }) => {
  const upstream = await rig.upstream();
  const server = await rig.start({ env: upstream.env, failpoints: ["k17:kill"] });
  const { id } = await newConversation(server.owner);
  const sent = [];
  for (const n of [1, 2, 3]) sent.push(await send(server, id, `Number ${n}`));
  (await upstream.call(1)).say("Never to be seen");
  await server.owner.conversations.remove({ conversation_id: id }).catch(() => null);
  await hitDeath(server);

  upstream.onCall = answering("Here.");
  const restarted = await rig.start({ dataDir: server.dataDir, env: upstream.env });
  const other = await newConversation(restarted.owner);
  const { turn } = await send(restarted, other.id, "Who is there?");
  expect((await outcome(restarted.owner, turn.id)).status).toBe("completed");
  expect(upstream.calls.slice(1).map(asked)).toEqual(["Who is there?"]);
  const { conversations, messages, turns } = restarted.owner;
  const gone = async (call: Promise<unknown>) => expect((await refusal(call)).code).toBe("not_found");
  await gone(conversations.get({ conversation_id: id }));
  await gone(messages.list({ conversation_id: id }));
  for (const { message, reply, turn } of sent) {
    await gone(messages.get({ message_id: message.id }));
    await gone(messages.get({ message_id: reply.id }));
    await gone(turns.get({ turn_id: turn.id }));
    await gone(turns.stop({ turn_id: turn.id }));
  }
  // DELETE of one's own deleted resource is 204: the client that had no answer may repeat it.
  await restarted.owner.conversations.remove({ conversation_id: id });
});
