import { once } from "node:events";
import { connect } from "node:net";
import { expect } from "vitest";
import type { Server } from "../rig/server.ts";
import type { Upstream, UpstreamCall } from "../rig/upstream.ts";
import { asked, journey, type Rig } from "./journey.ts";
import { allMessages, messagesPath, newConversation, outcome, post } from "./scene.ts";
import { createScreen, type Screen } from "./screen.ts";
import { follow, openStream, type Stream } from "./stream.ts";
import { within } from "./until.ts";

/*
 * Kill -9 at every crash point of a turn (reliability.md) that exists in one process.
 *
 *   k00           the socket is accepted, nothing read         no failpoint needed: killed from outside
 *   k01 k02 k04 k05   from the checks to the answer            here
 *   k08 k09 k10 k11 k12   from the claim to the outcome        here
 *   k15 k16       around the write to a stream                 here
 *   k17           during a stop                                stops-and-kills.test.ts
 *   k20           during a migration                           migrations.test.ts
 *   all of them, under load                                    kill-rig/
 *   k03           no ledger yet: no reservation to be inside of
 *   k06 k07       no queue: a turn is handed on in memory, a start and a sweep find it in the store
 *   k13 k14       no offsets and no relay: the socket reads the log of its own process
 */

const ID = "the-only-message";
const CONTENT = "Say it thrice 🎭";
const PIECES = ["Once 🎭, ", "twice, ", "thrice."];
const REPLY = PIECES.join("");

/** What the client had when the server died. */
interface Before {
  conversationId: string;
  ack: Awaited<ReturnType<typeof post>> | null;
  screen: Screen;
}

/**
 * Sends once, listens where an answer comes, lets the model speak once someone listens, and waits for the
 * death of the process.
 */
async function sendInto(server: Server, upstream: Upstream): Promise<Before> {
  const { id } = await newConversation(server.owner);
  const screen = createScreen();
  const died = within("the death of the process", server.exited);
  const ack = await post(server, messagesPath(id), { content: CONTENT, client_message_id: ID }).catch(
    () => null,
  );
  const stream = ack && openStream(server, ack.body.turn.id, { screen });
  const call = await Promise.race([upstream.call(1), died]);
  if (typeof call === "object") await speakTo(stream, call, died);
  expect(await died).toBe("SIGKILL");
  upstream.onCall = speak;
  return { conversationId: id, ack, screen };
}

/** Says each piece once the one before was shown. */
async function speakTo(stream: Stream | null, call: UpstreamCall, died: Promise<unknown>): Promise<void> {
  if (stream) await Promise.race([stream.event("turn.started"), died]);
  for (const [n, piece] of PIECES.entries()) {
    call.say(piece);
    if (stream) await Promise.race([stream.event("reply.delta", n + 1), died]);
  }
  call.finish();
}

/** Holds I1, I2, I3, I5 to what is stored, and I6 to every way of reading the stream. */
async function expectOneTurn(server: Server, before: Before): Promise<void> {
  const { conversationId, ack, screen } = before;
  if (ack) {
    expect(ack.status).toBe(202);
    // Nobody asks for it: the server takes the turn up by itself. That it does so at once, without
    // waiting for a lease, is proved with a clock that the test moves (modules/turns/turns.test.ts).
    expect((await outcome(server.owner, ack.body.turn.id)).status).toBe("completed");
  }
  const again = await post(server, messagesPath(conversationId), { content: CONTENT, client_message_id: ID });
  expect(again.status).toBe(202);
  const { message, reply, turn } = again.body;
  if (ack) {
    expect(again.isReplayed).toBe(true);
    expect([message.id, reply.id, turn.id]).toEqual([
      ack.body.message.id,
      ack.body.reply.id,
      ack.body.turn.id,
    ]);
  }
  if (screen.cursor !== null) {
    await follow(server, turn.id, { after: screen.cursor, screen });
    expect(screen.text).toBe(REPLY);
    expect(screen.violations).toEqual([]);
    // What was shown of the killed attempt cannot go on: it was in memory alone.
    expect(screen.resets).toBe(1);
  }
  const fresh = await follow(server, turn.id);
  expect(fresh.screen.text).toBe(REPLY);
  expect(fresh.screen.end?.type).toBe("turn.completed");
  expect(fresh.screen.violations).toEqual([]);

  const messages = await allMessages(server.owner, conversationId);
  expect(messages.map(({ id, seq, role, status, content }) => ({ id, seq, role, status, content }))).toEqual([
    { id: message.id, seq: 1, role: "user", status: "complete", content: CONTENT },
    { id: reply.id, seq: 2, role: "assistant", status: "complete", content: REPLY },
  ]);
}

function speak(call: UpstreamCall): void {
  expect(asked(call)).toBe(CONTENT);
  for (const piece of PIECES) call.say(piece);
  call.finish();
}

async function startWithModel(rig: Rig, failpoints: string[]) {
  const upstream = await rig.upstream();
  const server = await rig.start({ env: upstream.env, failpoints });
  return { upstream, server };
}

interface Point {
  at: string;
  where: string;
  /** What is there at the least when the process dies: rows in the store, the client's answer, shown text. */
  has: "nothing" | "row" | "ack" | "text";
  /** How often the model is called in all. */
  callsMax: number;
}

const POINTS: Point[] = [
  { at: "k01:kill", where: "checked, before it is stored", has: "nothing", callsMax: 1 },
  { at: "k02:kill", where: "inside the write of a send", has: "nothing", callsMax: 1 },
  { at: "k04:kill", where: "stored, the answer not sent", has: "row", callsMax: 1 },
  { at: "k05:kill", where: "the answer sent", has: "ack", callsMax: 2 },
  { at: "k08:kill", where: "claimed, the model not called", has: "row", callsMax: 1 },
  { at: "k09:kill", where: "the model called, no token", has: "row", callsMax: 2 },
  { at: "k10:kill@1", where: "one token logged", has: "ack", callsMax: 2 },
  { at: "k10:kill@3", where: "every token logged", has: "text", callsMax: 2 },
  { at: "k11:kill", where: "the end read, the reply not stored", has: "text", callsMax: 2 },
  { at: "k12:kill", where: "inside the write of the outcome", has: "text", callsMax: 2 },
  { at: "k15:kill@1", where: "before the first event is written", has: "ack", callsMax: 2 },
  { at: "k15:kill@4", where: "before a delta is written", has: "text", callsMax: 2 },
  { at: "k16:kill@1", where: "the first event written", has: "ack", callsMax: 2 },
  { at: "k16:kill@4", where: "a delta written, the client not sure", has: "text", callsMax: 2 },
];

journey.for(POINTS)(
  "after kill -9 at $at ($where) a retry finds one message, one whole reply and one outcome",
  async ({ at, has, callsMax }, { rig }) => {
    const { upstream, server } = await startWithModel(rig, [at]);
    const before = await sendInto(server, upstream);
    if (has === "ack" || has === "text") expect(before.ack).not.toBeNull();
    if (has === "text") expect(before.screen.text).not.toBe("");
    const restarted = await rig.start({ dataDir: server.dataDir, env: upstream.env });
    const stored = await allMessages(restarted.owner, before.conversationId);
    expect(stored.map(({ seq }) => seq)).toEqual(has === "nothing" ? [] : [1, 2]);
    await expectOneTurn(restarted, before);
    expect(upstream.calls.length).toBeLessThanOrEqual(callsMax);
  },
);

journey(
  "after kill -9 at k00 (a socket accepted, nothing read) nothing is there and a retry works",
  async ({ rig }) => {
    const { upstream, server } = await startWithModel(rig, []);
    const { id } = await newConversation(server.owner);
    const { port } = new URL(server.url);
    const socket = connect(Number(port), "127.0.0.1");
    await once(socket, "connect");
    const closed = new Promise((resolve) => socket.once("close", resolve));
    socket.on("error", () => {});
    await server.kill();
    await within("the end of the socket", closed);
    upstream.onCall = speak;

    const restarted = await rig.start({ dataDir: server.dataDir, env: upstream.env });
    expect(await allMessages(restarted.owner, id)).toEqual([]);
    await expectOneTurn(restarted, { conversationId: id, ack: null, screen: createScreen() });
    expect(upstream.calls.length).toBe(1);
  },
);

journey(
  "turns that waited behind a killed one run after it, in the order of their acceptance",
  async ({ rig }) => {
    const upstream = await rig.upstream();
    const server = await rig.start({ env: upstream.env });
    const { id } = await newConversation(server.owner);
    const acks = [];
    for (const n of [1, 2, 3]) {
      acks.push(await server.owner.messages.send({ conversation_id: id, content: `Number ${n}` }));
    }
    await upstream.call(1);
    await server.kill();

    upstream.onCall = (call) => {
      call.say(`To ${asked(call)}`);
      call.finish();
    };
    const restarted = await rig.start({ dataDir: server.dataDir, env: upstream.env });
    for (const { turn } of acks) {
      expect((await outcome(restarted.owner, turn?.id as string)).status).toBe("completed");
    }
    const messages = await allMessages(restarted.owner, id);
    expect(messages.map(({ content }) => content)).toEqual(
      [1, 2, 3].flatMap((n) => [`Number ${n}`, `To Number ${n}`]),
    );
    expect(upstream.calls.slice(1).map(asked)).toEqual(["Number 1", "Number 2", "Number 3"]);
  },
);

journey(
  "an Idempotency-Key holds over kill -9: a repeated send or regeneration finds the first",
  async ({ rig }) => {
    const { upstream, server } = await startWithModel(rig, ["k04:kill@2"]);
    upstream.onCall = speak;
    const { id } = await newConversation(server.owner);
    const path = messagesPath(id);
    const first = await post(server, path, { content: CONTENT });
    await outcome(server.owner, first.body.turn.id);
    const key = { "idempotency-key": "send once" };
    await post(server, path, { content: CONTENT }, key).catch(() => null);
    expect(await within("the death of the process", server.exited)).toBe("SIGKILL");

    const second = await rig.start({
      dataDir: server.dataDir,
      env: upstream.env,
      failpoints: ["k08:kill@2"],
    });
    const sent = await post(second, path, { content: CONTENT }, key);
    expect([sent.status, sent.isReplayed, sent.body.message.seq]).toEqual([202, true, 3]);
    await outcome(second.owner, sent.body.turn.id);
    const again = `/api/v2/messages/${sent.body.reply.id}/regenerate`;
    await post(second, again, {}, { "idempotency-key": "regenerate once" }).catch(() => null);
    expect(await within("the death of the process", second.exited)).toBe("SIGKILL");

    const third = await rig.start({ dataDir: server.dataDir, env: upstream.env });
    const made = await post(third, again, {}, { "idempotency-key": "regenerate once" });
    expect([made.status, made.isReplayed, made.body.reply.seq]).toEqual([202, true, 5]);
    expect((await outcome(third.owner, made.body.turn.id)).status).toBe("completed");
    expect((await allMessages(third.owner, id)).map(({ seq }) => seq)).toEqual([1, 2, 3, 4, 5]);
  },
);
