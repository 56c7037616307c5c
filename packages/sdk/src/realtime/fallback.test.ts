import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { Client } from "../client.ts";
import { type ConversationEvent, createRealtime } from "../realtime.ts";

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
