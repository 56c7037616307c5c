import type { Message, Turn } from "@parley-chat/sdk";
import type { Server } from "../rig/server.ts";
import type { UpstreamCall } from "../rig/upstream.ts";
import type { History, SendCall, WallCall } from "./history.ts";
import { asked } from "./journey.ts";
import { between, randomPieces, randomText } from "./random.ts";
import { allMessages, messagesPath, outcome, post, ready } from "./scene.ts";
import { createScreen, type Screen } from "./screen.ts";
import { openStream } from "./stream.ts";
import { until, within } from "./until.ts";

/** The server that answers now; it changes with every kill. */
export interface World {
  server: Server;
}

/** What a run is asked to write down, beside the final state. */
export interface Recorder {
  history: History;
  screens: Map<string, Screen>;
}

export const newRecorder = (attemptsMax: number): Recorder => ({
  history: { sends: [], reads: [], streams: [], wall: [], final: {}, attemptsMax },
  screens: new Map(),
});

const now = () => performance.now();
const TRIES_MAX = 200;

/** Which message a prompt is for: its text names its id, and those of earlier ones may stand before it. */
const idIn = (text: string): string => [...text.matchAll(/#(\w+)#/g)].at(-1)?.[1] ?? "none";

/** A model that answers each call with a text of its own, piece by piece, and is at times cut or broken. */
export function answerAtRandom(recorder: Recorder, random: () => number) {
  return async (call: UpstreamCall): Promise<void> => {
    const wall: WallCall = { clientMessageId: idIn(asked(call)), text: "", isFinished: false };
    const number = recorder.history.wall.push(wall);
    if (random() < 0.05) {
      call.response.writeHead(500, { "content-type": "application/json" });
      call.response.end("{}");
      return;
    }
    const cutAt = random() < 0.05 ? between(random, 1, 5) : Number.POSITIVE_INFINITY;
    const text = `Answer ${number}: ${randomText(random, between(random, 5, 80))}.`;
    for (const [n, piece] of randomPieces(random, text, 20).entries()) {
      if (call.response.destroyed) return;
      if (n >= cutAt) return call.cut();
      wall.text += piece;
      call.say(piece);
      await looks(between(random, 0, 1));
    }
    wall.isFinished = true;
    call.finish();
  };
}

/** One client: sends with retries until it is answered, listens, reads, and sometimes stops what it hears. */
export async function runClient(
  world: World,
  { history, screens }: Recorder,
  uses: { name: string; conversationIds: readonly string[]; random: () => number; isOver(): boolean },
): Promise<void> {
  const { name, conversationIds, random, isOver } = uses;
  const listening: Promise<void>[] = [];
  for (let n = 1; !isOver(); n++) {
    const conversationId = conversationIds[between(random, 0, conversationIds.length - 1)] as string;
    const turnId = await sendUntilAnswered(world, history.sends, {
      conversationId,
      clientMessageId: `${name}${n}`,
      content: `${randomText(random, between(random, 1, 30))} #${name}${n}#`,
    });
    if (turnId === null) continue;
    const heard = listen(world, screens, turnId, isOver);
    listening.push(heard);
    if (random() < 0.1) await world.server.owner.turns.stop({ turn_id: turnId }).catch(() => null);
    if (random() < 0.4) await heard;
    if (random() < 0.3) await read(world, history, name, conversationId);
  }
  await Promise.all(listening);
}

/** The id of the turn, or null where the conversation has no room just now. */
async function sendUntilAnswered(
  world: World,
  sends: SendCall[],
  sending: Pick<SendCall, "conversationId" | "clientMessageId" | "content">,
): Promise<string | null> {
  const { conversationId, clientMessageId, content } = sending;
  for (let tries = 0; tries < TRIES_MAX; tries++) {
    const record: SendCall = { ...sending, invokedAt: now(), settledAt: Number.POSITIVE_INFINITY, ok: null };
    sends.push(record);
    const answer = await post(world.server, messagesPath(conversationId), {
      content,
      client_message_id: clientMessageId,
    }).catch(() => null);
    record.settledAt = now();
    if (answer?.status === 202) {
      const { message, reply, turn } = answer.body;
      record.ok = { messageId: message.id, replyId: reply.id, turnId: turn.id, seq: message.seq };
      return turn.id;
    }
    if (answer?.status === 409) return null;
    await isBack(world);
  }
  throw new Error(`${clientMessageId} was never answered`);
}

/** Shows a turn, over as many connections as it takes, until it has ended or the run is over. */
async function listen(
  world: World,
  screens: Map<string, Screen>,
  turnId: string,
  isOver: () => boolean,
): Promise<void> {
  const screen = screens.get(turnId) ?? createScreen();
  screens.set(turnId, screen);
  while (!screen.end && !isOver()) await listenOnce(world, screen, turnId);
}

async function listenOnce(world: World, screen: Screen, turnId: string): Promise<void> {
  const cursor = screen.cursor;
  const stream = openStream(world.server, turnId, { screen, ...(cursor !== null && { after: cursor }) });
  const answer = await stream.answered.catch(() => null);
  if (answer && answer.status === 200) await stream.closed;
  else await isBack(world);
}

/** Waits for a server that takes messages: the one of a moment ago may be dead, and the next not there yet. */
const isBack = (world: World) =>
  until("a server that is ready", async () => (await ready(world.server)).status === 200);

/** The pace of a model that takes its time: so many looks of `until`. */
async function looks(count: number): Promise<void> {
  let left = count;
  if (left > 0) await until("the next piece", () => --left < 0);
}

async function read(world: World, history: History, client: string, conversationId: string): Promise<void> {
  const invokedAt = now();
  const messages = await allMessages(world.server.owner, conversationId).catch(() => null);
  if (messages) history.reads.push({ client, conversationId, invokedAt, settledAt: now(), messages });
}

/** After the last fault: waits for every outcome, shows every turn to its end, and writes down the store. */
export async function settle(
  world: World,
  { history, screens }: Recorder,
  conversationIds: readonly string[],
) {
  const { owner } = world.server;
  for (const conversationId of conversationIds) {
    const turnIds = (await allMessages(owner, conversationId)).flatMap((message: Message) =>
      message.role === "assistant" && message.turn_id !== undefined ? [message.turn_id] : [],
    );
    const turns: Turn[] = [];
    for (const turnId of turnIds) turns.push(await outcome(owner, turnId));
    history.final[conversationId] = { messages: await allMessages(owner, conversationId), turns };
  }
  for (const [turnId, screen] of screens) {
    while (!screen.end) await within(`the rest of ${turnId}`, listenOnce(world, screen, turnId));
    const { violations, end, text } = screen;
    history.streams.push({ turnId, violations, end: end.type, text });
  }
}

/** Kills the server at random moments, and starts it again on its folder. */
export async function killAtRandom(
  world: World,
  restart: () => Promise<Server>,
  { kills, upMsMax, random }: { kills: number; upMsMax: number; random: () => number },
): Promise<void> {
  for (let n = 0; n < kills; n++) {
    const killAt = now() + between(random, 0, upMsMax);
    await until("the moment of a kill", () => now() >= killAt);
    await world.server.kill();
    world.server = await restart();
  }
}
