import type { TurnEvent } from "@parley-chat/sdk";
import { expect } from "vitest";
import { journey, journeyAlone } from "../faults/journey.ts";
import { between, newSeed, randomPieces, randomText, seeded } from "../faults/random.ts";
import { newConversation } from "../faults/scene.ts";
import { createScreen } from "../faults/screen.ts";
import { until } from "../faults/until.ts";
import { OWNER_KEY, type Server } from "../rig/server.ts";
import { answering } from "../rig/upstream.ts";
import { openSocket, type Socket } from "./socket.ts";

const SOCKETS = 1_000;
const AT_ONCE = 50;

async function openMany(server: Server, count: number): Promise<Socket[]> {
  const sockets: Socket[] = [];
  while (sockets.length < count) {
    const batch = Array.from({ length: Math.min(AT_ONCE, count - sockets.length) }, () => openSocket(server));
    sockets.push(...(await Promise.all(batch)));
  }
  return sockets;
}

/** A piece of a reply, or a message, of about 60 KB. */
const piece = "x".repeat(60_000);

const subscribe = (socket: Socket, { id }: { id: string }) =>
  socket.ask({ type: "conversation.subscribe", conversation_id: id });

const metric = async (server: Server, name: string) => {
  const answer = await fetch(`${server.url}/metrics`, { headers: { authorization: `Bearer ${OWNER_KEY}` } });
  return Number(new RegExp(`^${name} (\\S+)$`, "m").exec(await answer.text())?.[1]);
};

function shown(events: TurnEvent[]) {
  const screen = createScreen();
  screen.connect(null);
  for (const event of events) screen.apply(event);
  return screen;
}

journey(
  "a thousand sockets see one reply, each of them whole, and one message, each of them once",
  async ({ rig }) => {
    const random = seeded(newSeed("a thousand sockets"));
    const upstream = await rig.upstream();
    const server = await rig.start({ env: upstream.env });
    const { id } = await newConversation(server.owner);
    const sockets = await openMany(server, SOCKETS);
    expect(await metric(server, "parley_open_sockets")).toBe(SOCKETS);
    await Promise.all(
      sockets.map((socket) => socket.ask({ type: "conversation.subscribe", conversation_id: id })),
    );
    await server.owner.messages.send({ conversation_id: id, content: "To all." });
    const call = await upstream.call(1);
    const text = `${randomText(random, 200)}.`;
    for (const piece of randomPieces(random, text, 20)) {
      call.say(piece);
      if (random() < 0.3) await new Promise((resolve) => setImmediate(resolve));
    }
    // Some leave in the middle, at a time that is nobody's business.
    const leaving = new Set(Array.from({ length: 100 }, () => between(random, 0, SOCKETS - 1)));
    for (const nth of leaving) sockets[nth]?.ws.terminate();
    call.finish();
    const staying = sockets.filter((_, nth) => !leaving.has(nth));
    await Promise.all(staying.map((socket) => socket.frame("turn.completed")));
    for (const socket of staying) {
      const screen = shown(socket.events());
      expect({ text: screen.text, violations: screen.violations }).toEqual({ text, violations: [] });
      expect(socket.frames.filter(({ type }) => type === "message.created")).toHaveLength(1);
    }
    for (const socket of sockets) socket.ws.terminate();
    await until("no socket", async () => (await metric(server, "parley_open_sockets")) === 0);
  },
);

// By itself: who stands still for too long while the machine is busy is let go by the heartbeat.
journeyAlone(
  "readers that stand still hinder nobody: one goes on from where it stood, one that would miss frames is closed",
  async ({ rig }) => {
    const upstream = await rig.upstream();
    const server = await rig.start({
      env: {
        ...upstream.env,
        MAX_MESSAGES_PER_MINUTE: "0",
        MAX_MESSAGES_PER_HOUR: "0",
        PARLEY_CONTEXT_TOKENS_MAX: "1000000",
      },
    });
    const long = await Promise.all(Array.from({ length: 14 }, () => newConversation(server.owner)));
    const chatty = await newConversation(server.owner);
    const [slow, fast, stuck] = [
      await openSocket(server),
      await openSocket(server),
      await openSocket(server),
    ];
    for (const socket of [slow, fast]) for (const one of long) await subscribe(socket, one);
    for (const socket of [stuck, fast]) await subscribe(socket, chatty);
    slow.ws.pause();
    stuck.ws.pause();

    // Far more than the system keeps for a socket that nobody reads.
    const turns: string[] = [];
    upstream.onCall = answering(piece, piece, piece, piece, piece);
    for (let round = 0; round < 2; round++) {
      const sends = long.map(({ id }) =>
        server.owner.messages.send({ conversation_id: id, content: "At length." }),
      );
      for (const { turn } of await Promise.all(sends)) turns.push(turn?.id as string);
      await fast.frame("turn.completed", turns.length);
    }
    slow.ws.resume();
    await slow.frame("turn.completed", turns.length);
    for (const turnId of turns) {
      const screen = shown(slow.events().filter((event) => event.turn_id === turnId));
      expect({ length: screen.text.length, violations: screen.violations }).toEqual({
        length: piece.length * 5,
        violations: [],
      });
    }
    let said = 0;
    const notes = async () => {
      await server.owner.messages.send({
        conversation_id: chatty.id,
        content: piece.slice(0, 50_000),
        reply: false,
      });
      // Who reads is not to fall behind.
      await fast.frame("message.created", turns.length + ++said);
      return (await metric(server, "parley_open_sockets")) === 2;
    };
    await until("the close of the stuck one", notes);
    expect(await fast.ask({ type: "ping" })).toMatchObject({ type: "pong" });
    stuck.ws.resume();
    await stuck.closed;
    for (const socket of [slow, fast]) socket.close();
  },
);
