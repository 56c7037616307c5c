import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { Client } from "../client.ts";
import type { TurnEvent } from "../contract/index.ts";
import { type ConversationEvent, createRealtime } from "../realtime.ts";
import { createFallback } from "./fallback.ts";
import { createSubscription } from "./subscriptions.ts";

beforeEach(() => {
  vi.useFakeTimers();
  vi.spyOn(Math, "random").mockReturnValue(0.5);
});
afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

/** A way that lets no socket through. */
class NoSocket {
  constructor() {
    throw new Error("no way");
  }
  send() {}
  close() {}
  addEventListener() {}
}

const of = { conversation_id: "c", turn_id: "t" };
const turn = { id: "t", conversation_id: "c" };

/** A server whose model is so quick that no look ever meets a turn under way. */
const quick = {
  realtime: { createTicket: async () => ({ ticket: "x" }) },
  conversations: { get: async () => ({ id: "c", active_turn_id: null }) },
  messages: { send: async () => ({ message: { id: "m" }, reply: { id: "r" }, turn }) },
  async *events() {
    yield { type: "turn.completed", ...of, turn };
  },
} as unknown as Client;

test("over plain HTTP the end of a turn is told also where it came before anybody looked", async () => {
  const realtime = createRealtime({ client: quick, baseUrl: "http://localhost", WebSocket: NoSocket });
  const events: ConversationEvent[] = [];
  realtime.subscribe("c", (event) => events.push(event));
  await vi.advanceTimersByTimeAsync(5_000);
  expect(realtime.state).toBe("fallback");
  await realtime.send({ conversation_id: "c", content: "Hi." });
  await vi.advanceTimersByTimeAsync(5_000);
  expect(events.map(({ type }) => type)).toContain("turn.completed");
  realtime.close();
});

/** Turns whose events the test says one by one; every reader hears them from the start. */
function scripted() {
  const said: TurnEvent[] = [];
  const readers = new Set<() => void>();
  let looks = 0;
  const look = { answer: async () => ({ id: "c", active_turn_id: "t" }) as object };
  const client = {
    realtime: { createTicket: async () => ({ ticket: "x" }) },
    conversations: {
      get: () => {
        looks++;
        return look.answer();
      },
    },
    async *events(_: string, { signal }: { signal: AbortSignal }) {
      for (let next = 0; ; ) {
        if (signal.aborted) return;
        const event = said[next];
        if (event) {
          next++;
          yield event;
          continue;
        }
        await new Promise<void>((resolve) => {
          readers.add(resolve);
          signal.addEventListener("abort", () => resolve());
        });
      }
    },
  } as unknown as Client;
  return {
    client,
    look,
    looks: () => looks,
    async say(...events: TurnEvent[]) {
      said.push(...events);
      for (const wake of readers) wake();
      readers.clear();
      await vi.advanceTimersByTimeAsync(0);
    },
  };
}

const started = { type: "turn.started", ...of, turn } as unknown as TurnEvent;
const start = { type: "reply.start", ...of, epoch: 0, cursor: "s" } as unknown as TurnEvent;
const delta = (offset: number, text: string) =>
  ({ type: "reply.delta", ...of, epoch: 0, offset, text, cursor: `${offset}` }) as unknown as TurnEvent;
const textOf = (events: ConversationEvent[]) =>
  events.map((event) => (event.type === "reply.delta" ? event.text : "")).join("");

async function inFallback({ client }: { client: Client }) {
  const realtime = createRealtime({ client, baseUrl: "http://localhost", WebSocket: NoSocket });
  await vi.advanceTimersByTimeAsync(5_000);
  expect(realtime.state).toBe("fallback");
  return realtime;
}

test("over plain HTTP whoever comes in mid-reply hears it whole, and nobody hears anything twice", async () => {
  const server = scripted();
  const realtime = await inFallback(server);
  const [first, second]: [ConversationEvent[], ConversationEvent[]] = [[], []];
  realtime.subscribe("c", (event) => first.push(event));
  await vi.advanceTimersByTimeAsync(0);
  await server.say(started, start, delta(0, "One, "));
  realtime.subscribe("c", (event) => second.push(event));
  await vi.advanceTimersByTimeAsync(0);
  await server.say(delta(5, "two."));
  for (const events of [first, second]) expect(textOf(events)).toBe("One, two.");
  expect(second.map(({ type }) => type)).toContain("resumed");
  realtime.close();
});

test("over plain HTTP whoever leaves a conversation and comes back hears the running reply", async () => {
  const server = scripted();
  const realtime = await inFallback(server);
  const [before, after]: [ConversationEvent[], ConversationEvent[]] = [[], []];
  const leave = realtime.subscribe("c", (event) => before.push(event));
  await vi.advanceTimersByTimeAsync(0);
  await server.say(started, start, delta(0, "One, "));
  leave();
  realtime.subscribe("c", (event) => after.push(event));
  await vi.advanceTimersByTimeAsync(0);
  await server.say(delta(5, "two."));
  expect(textOf(before)).toBe("One, ");
  expect(textOf(after)).toBe("One, two.");
  expect(after.map(({ type }) => type)).toContain("resumed");
  realtime.close();
});

const noEvents = { onConversation() {}, onRound() {} };

test("a stop and a start while a round waits leave one round every two seconds", async () => {
  const server = scripted();
  const slow = Promise.withResolvers<object>();
  server.look.answer = () => slow.promise;
  const subscription = createSubscription("c");
  const fallback = createFallback({
    client: server.client,
    subscriptions: () => [subscription],
    ...noEvents,
  });
  fallback.start();
  fallback.stop();
  fallback.start();
  slow.resolve({ id: "c", active_turn_id: null });
  const before = server.looks();
  await vi.advanceTimersByTimeAsync(10_000);
  expect(server.looks() - before).toBe(5);
  fallback.stop();
});

test("a gap in what is followed is filled from the turn's start", async () => {
  const server = scripted();
  const subscription = createSubscription("c");
  const events: ConversationEvent[] = [];
  const fallback = createFallback({
    client: server.client,
    subscriptions: () => [subscription],
    ...noEvents,
  });
  await server.say(started, start, delta(0, "One, "));
  fallback.follow(subscription, "t");
  await vi.advanceTimersByTimeAsync(0);
  subscription.add((event) => events.push(event), undefined);
  await server.say(delta(5, "two."));
  await vi.advanceTimersByTimeAsync(0);
  expect(textOf(events)).toBe("One, two.");
  fallback.stop();
});
