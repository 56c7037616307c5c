import type { Client, Message, Turn } from "@parley-chat/sdk";
import type { Server } from "../rig/server.ts";
import { asked, type UpstreamCall } from "../rig/upstream.ts";
import { emptyHistory, type History, type WallCall } from "./history.ts";
import { between, randomPieces, randomText } from "./random.ts";
import { allMessages, outcome } from "./scene.ts";
import { createScreen, type Screen } from "./screen.ts";
import { openStream, type StreamOptions } from "./stream.ts";
import { LIMIT_MS, until, within } from "./until.ts";

/** The server that answers now; it changes with every kill. */
export interface World {
  server: Server;
  /** No other will come: whoever waits for one gives up. */
  isGone?: boolean;
}

/** What a run is asked to write down, beside the final state. */
export interface Recorder {
  history: History;
  /** One for each who listened to a turn. */
  screens: { turnId: string; screen: Screen }[];
}

export const newRecorder = (attemptsMax: number): Recorder => ({
  history: emptyHistory(attemptsMax),
  screens: [],
});

export const now = () => performance.now();
const TRIES_MAX = 1_000;
/** So many looks of `until` pass before a server that gave no answer is asked again, unless another is there. */
const LOOKS_AFTER_FAILURE = 40;

/** Which message a prompt is for: its text names its id, and those of earlier ones may stand before it. */
const idIn = (text: string): string => [...text.matchAll(/#(\w+)#/g)].at(-1)?.[1] ?? "none";

/** How the model speaks just now. */
export interface Pace {
  /** Whoever speaks pauses until this is over. */
  isHeld: boolean;
  /** How many speak or pause. */
  speaking: number;
}

export const newPace = (): Pace => ({ isHeld: false, speaking: 0 });

/** A model that answers each call with a text of its own, piece by piece, and is at times cut or broken. */
export function answerAtRandom(recorder: Recorder, random: () => number, pace = newPace()) {
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
    pace.speaking++;
    try {
      for (const [n, piece] of randomPieces(random, text, 20).entries()) {
        if (call.response.destroyed) return;
        if (n >= cutAt) return call.cut();
        wall.text += piece;
        call.say(piece);
        await looks(between(random, 0, 1));
        while (pace.isHeld && !call.response.destroyed) await looks(1);
      }
      wall.isFinished = true;
      call.finish();
    } finally {
      pace.speaking--;
    }
  };
}

/**
 * Calls until there is an answer, over the death of any server: gives it, or the problem's code where it
 * is refused. Each try is written down by `onTry`, whose function hears how it ended.
 */
export async function insist<T>(
  world: World,
  history: History,
  call: (owner: Client) => Promise<T>,
  onTry: (server: Server) => { settled(answer: { ok: T } | { refused: string } | null): void },
): Promise<{ ok: T } | { refused: string }> {
  for (let tries = 0; tries < TRIES_MAX; tries++) {
    const { server } = world;
    const record = onTry(server);
    const answer = await call(server.owner).then(
      (ok) => ({ ok }),
      (error) => refusalIn(error, history),
    );
    record.settled(answer);
    if (answer) return answer;
    await anotherServer(world, server);
  }
  throw new Error("a call was never answered");
}

/** The code of a refusal; null where nothing is known, or it is worth asking again. */
function refusalIn(error: unknown, history: History): { refused: string } | null {
  const { code, status, detail } = error as { code?: string; status?: number; detail?: string };
  if (typeof status !== "number" || typeof code !== "string") return null;
  if (status === 503) return null;
  if (status >= 500) history.faults.push(`an answer ${status} ${code}: ${detail}`);
  return { refused: code };
}

/** Waits for another server than the one that gave no answer, or a moment. */
export async function anotherServer(world: World, than: Server): Promise<void> {
  let left = LOOKS_AFTER_FAILURE;
  await until("another try", () => world.isGone || world.server !== than || --left < 0);
  if (world.isGone) throw new Error("there is no server any more");
}

/** Shows a turn, over as many connections as it takes, until it has ended, is gone, or the run is over. */
export async function listen(
  world: World,
  { screens }: Recorder,
  turnId: string,
  uses: { isOver(): boolean; how?(): Pick<StreamOptions, "cutAfterBytes" | "pause"> },
): Promise<void> {
  const screen = createScreen();
  screens.push({ turnId, screen });
  while (!screen.end && !uses.isOver()) {
    const { server } = world;
    const status = await listenOnce(world, screen, turnId, uses.how?.());
    if (status === 404) return;
    if (status !== 200) await anotherServer(world, server);
  }
}

/** Resolves with the status of the answer once it has ended, or null where none came. */
async function listenOnce(
  world: World,
  screen: Screen,
  turnId: string,
  how: Pick<StreamOptions, "cutAfterBytes" | "pause"> = {},
): Promise<number | null> {
  const cursor = screen.cursor;
  const stream = openStream(world.server, turnId, {
    ...how,
    screen,
    ...(cursor !== null && { after: cursor }),
  });
  const answer = await stream.answered.catch(() => null);
  if (answer?.status === 200) await stream.closed;
  else stream.cut();
  return answer?.status ?? null;
}

/** A pace of one's own: so many looks of `until`. */
export async function looks(count: number): Promise<void> {
  let left = count;
  if (left > 0) await until("the next piece", () => --left < 0);
}

/** Reads a whole conversation and writes down what was seen. */
export async function read(
  world: World,
  history: History,
  client: string,
  conversationId: string,
): Promise<Message[] | null> {
  const invokedAt = now();
  const messages = await allMessages(world.server.owner, conversationId).catch((error) =>
    refusalIn(error, history)?.refused === "not_found" ? null : undefined,
  );
  if (messages === undefined) return null;
  history.reads.push({ client, conversationId, invokedAt, settledAt: now(), messages });
  return messages;
}

/**
 * After the last fault: waits for every outcome, at most `healMs` for all, shows every turn to its end, and
 * writes down the store.
 */
export async function settle(
  world: World,
  { history, screens }: Recorder,
  conversationIds: readonly string[],
  { healMs = LIMIT_MS }: { healMs?: number } = {},
) {
  const { owner } = world.server;
  const healedBy = now() + healMs;
  const ended = new Set<string>();
  for (const conversationId of conversationIds) {
    const before = await messagesOrNull(owner, conversationId);
    const turns: Turn[] = [];
    for (const turnId of new Set(before?.flatMap(turnIdOfReply))) {
      // One that does not end is written down as it is: the checker tells of it.
      const turn = await outcome(owner, turnId, Math.max(0, healedBy - now())).catch(() =>
        owner.turns.get({ turn_id: turnId }),
      );
      turns.push(turn);
      if (turn.ended_at !== undefined) ended.add(turn.id);
    }
    const messages = before && (await allMessages(owner, conversationId));
    history.final[conversationId] = messages && { messages, turns };
  }
  for (const { turnId, screen } of screens) {
    while (!screen.end && ended.has(turnId)) {
      const status = await within(`the rest of ${turnId}`, listenOnce(world, screen, turnId));
      if (status === 200) continue;
      history.faults.push(`the rest of an ended turn was answered with ${status}`);
      break;
    }
    const { violations, end, text } = screen;
    history.streams.push({ turnId, violations, end: end?.type ?? null, text });
  }
}

const messagesOrNull = (owner: Client, conversationId: string): Promise<Message[] | null> =>
  allMessages(owner, conversationId).catch((error) => {
    if ((error as { code?: string }).code === "not_found") return null;
    throw error;
  });

const turnIdOfReply = (message: Message): string[] =>
  message.role === "assistant" && message.turn_id !== undefined ? [message.turn_id] : [];
