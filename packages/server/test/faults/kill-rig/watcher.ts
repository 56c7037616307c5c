import type { TurnEvent } from "@parley-chat/sdk";
import { openSocket } from "../../realtime/socket.ts";
import type { Server } from "../../rig/server.ts";
import type { Common } from "../client.ts";
import { anotherServer, looks, type Recorder, type World } from "../load.ts";
import { createScreen, type Screen } from "../screen.ts";

/**
 * Hears of every conversation over a socket, on each server in turn, and writes down what its turns
 * showed: another way to read the same log. Resolves once it is over and the last socket is closed.
 */
export async function watch(
  world: World,
  recorder: Recorder,
  { common, isOver }: { common: Common; isOver(): boolean },
): Promise<void> {
  while (!isOver()) {
    const { server } = world;
    await watchOne(server, recorder, common, isOver);
    if (!isOver()) await anotherServer(world, server);
  }
}

async function watchOne(
  server: Server,
  recorder: Recorder,
  common: Common,
  isOver: () => boolean,
): Promise<void> {
  const socket = await openSocket(server).catch(() => null);
  if (!socket) return;
  const screens = new Map<string, Screen>();
  const heard = new Set<string>();
  let taken = 0;
  const take = () => {
    const events = socket.frames.slice(taken) as unknown as TurnEvent[];
    taken = socket.frames.length;
    for (const event of events) if (/^(turn|reply)\./.test(event.type)) show(screens, event);
  };
  while (!isOver() && !socket.isClosed()) {
    for (const conversation_id of common.conversationIds) {
      if (heard.has(conversation_id)) continue;
      heard.add(conversation_id);
      socket.send({ type: "conversation.subscribe", conversation_id });
    }
    take();
    await looks(2);
  }
  socket.ws.terminate();
  await socket.closed;
  take();
  for (const [turnId, { violations, end, text }] of screens)
    recorder.history.streams.push({ turnId, violations, end: end?.type ?? null, text });
}

function show(screens: Map<string, Screen>, event: TurnEvent): void {
  let screen = screens.get(event.turn_id);
  if (!screen) {
    screen = createScreen();
    screen.connect(null);
    screens.set(event.turn_id, screen);
  }
  screen.apply(event);
}
