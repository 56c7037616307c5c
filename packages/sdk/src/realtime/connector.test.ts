import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Problem, type ServerFrame } from "../contract/index.ts";
import { createConnector, type RealtimeState } from "./connector.ts";
import type { WebSocketLike } from "./web-socket.ts";

beforeEach(() => {
  vi.useFakeTimers();
  vi.spyOn(Math, "random").mockReturnValue(0.999);
});
afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
  vi.unstubAllGlobals();
});

class FakeSocket implements WebSocketLike {
  readonly url: string;
  readonly sent: string[] = [];
  isOpen = false;
  isClosed = false;
  readonly #listeners = new Map<string, ((event: never) => void)[]>();

  constructor(url: string) {
    this.url = url;
    sockets.push(this);
  }
  send(text: string): void {
    if (!this.isOpen) throw new Error("InvalidStateError");
    this.sent.push(text);
  }
  close(): void {
    this.isClosed = true;
  }
  addEventListener(type: string, listener: (event: never) => void): void {
    this.#listeners.set(type, [...(this.#listeners.get(type) ?? []), listener]);
  }
  say(type: string, event: object = {}): void {
    if (type === "open") this.isOpen = true;
    for (const listener of this.#listeners.get(type) ?? []) listener(event as never);
  }
}

let sockets: FakeSocket[];
beforeEach(() => {
  sockets = [];
});

function setUp({ address = async () => "ws://x", hasWebSocket = true } = {}) {
  const states: RealtimeState[] = [];
  const frames: ServerFrame[] = [];
  const seen = { opened: 0, lost: 0 };
  const connector = createConnector({
    address,
    WebSocket: hasWebSocket ? FakeSocket : undefined,
    onState: (state) => void states.push(state),
    onOpen: () => void seen.opened++,
    onFrame: (frame) => void frames.push(frame),
    onLost: () => void seen.lost++,
  });
  return { connector, states, frames, seen };
}
const settle = () => vi.advanceTimersByTimeAsync(0);
const socket = (nth: number) => sockets[nth - 1] as FakeSocket;

test("a socket that breaks is made anew with a fresh ticket, after a wait that grows", async () => {
  let tickets = 0;
  const { connector, states, seen } = setUp({ address: async () => `ws://x?ticket=${++tickets}` });
  await settle();
  socket(1).say("open");
  socket(1).say("close");
  expect(connector.send({})).toBe(false);
  await vi.advanceTimersByTimeAsync(1_000);
  expect(socket(2).url).toBe("ws://x?ticket=2");
  socket(2).say("open");
  socket(2).say("close");
  await vi.advanceTimersByTimeAsync(1_000);
  expect(sockets).toHaveLength(2);
  await vi.advanceTimersByTimeAsync(1_000);
  expect(sockets).toHaveLength(3);
  expect(states).toEqual(["open", "connecting", "open", "connecting"]);
  expect(seen).toEqual({ opened: 2, lost: 2 });
});

test("a connection that held makes the next wait short again", async () => {
  setUp();
  await settle();
  for (let nth = 1; nth <= 4; nth++) {
    socket(nth).say("open");
    await vi.advanceTimersByTimeAsync(5_000);
    socket(nth).say("close");
    await vi.advanceTimersByTimeAsync(1_000);
    expect(sockets).toHaveLength(nth + 1);
  }
});

test("where no ticket is to be had it is offline, and tries at least every 30 seconds", async () => {
  let tries = 0;
  const { states } = setUp({
    address: async () => {
      tries++;
      throw new TypeError("fetch failed");
    },
  });
  await vi.advanceTimersByTimeAsync(60_000);
  const before = tries;
  await vi.advanceTimersByTimeAsync(300_000);
  expect(tries - before).toBeGreaterThanOrEqual(10);
  expect(tries - before).toBeLessThanOrEqual(11);
  expect(states).toEqual(["offline"]);
});

test("sockets that do not open though tickets are given fall back to HTTP, and are tried on", async () => {
  const { states } = setUp();
  await settle();
  socket(1).say("error");
  await vi.advanceTimersByTimeAsync(1_000);
  expect(states).toEqual([]);
  socket(2).say("close");
  expect(states).toEqual(["fallback"]);
  await vi.advanceTimersByTimeAsync(2_000);
  socket(3).say("open");
  expect(states).toEqual(["fallback", "open"]);
});

test("a socket that neither opens nor fails counts as refused", async () => {
  const { states } = setUp();
  await vi.advanceTimersByTimeAsync(10_000);
  expect(socket(1).isClosed).toBe(true);
  await vi.advanceTimersByTimeAsync(11_000);
  expect(states).toEqual(["fallback"]);
});

test("without any WebSocket it falls back at once", async () => {
  const { states, connector } = setUp({ hasWebSocket: false });
  await settle();
  expect(states).toEqual(["fallback"]);
  expect(connector.state).toBe("fallback");
});

test("a silent end is found by a ping that nobody answers", async () => {
  const { seen } = setUp();
  await settle();
  socket(1).say("open");
  await vi.advanceTimersByTimeAsync(30_000);
  expect(socket(1).sent).toContain('{"type":"ping"}');
  socket(1).say("message", { data: '{"type":"pong"}' });
  await vi.advanceTimersByTimeAsync(30_000);
  expect(seen.lost).toBe(0);
  await vi.advanceTimersByTimeAsync(15_000);
  expect(seen.lost).toBe(1);
  expect(socket(1).isClosed).toBe(true);
});

test("closed is the end: nothing is tried any more", async () => {
  const { connector, states } = setUp();
  await settle();
  socket(1).say("open");
  connector.close();
  await vi.advanceTimersByTimeAsync(600_000);
  expect(sockets).toHaveLength(1);
  expect(socket(1).isClosed).toBe(true);
  expect(states).toEqual(["open", "closed"]);
});

test("the silence of the last connection is not held against the next, whose handshake hangs", async () => {
  const { seen, states } = setUp();
  await settle();
  socket(1).say("open");
  await vi.advanceTimersByTimeAsync(26_000);
  socket(1).say("close");
  await vi.advanceTimersByTimeAsync(1_000);
  expect(sockets).toHaveLength(2);
  await vi.advanceTimersByTimeAsync(9_900);
  expect(socket(2)).toMatchObject({ sent: [], isClosed: false });
  socket(2).say("open");
  expect(states).toEqual(["open", "connecting", "open"]);
  expect(seen).toEqual({ opened: 2, lost: 1 });
});

test("a handshake may take nine seconds", async () => {
  const { states } = setUp();
  await settle();
  await vi.advanceTimersByTimeAsync(9_000);
  expect(socket(1).isClosed).toBe(false);
  socket(1).say("open");
  expect(states).toEqual(["open"]);
  expect(sockets).toHaveLength(1);
});

/** A page whose network comes and goes. */
function stubPage() {
  const listeners = new Set<() => void>();
  vi.stubGlobal("addEventListener", (_: "online", listener: () => void) => listeners.add(listener));
  vi.stubGlobal("removeEventListener", (_: "online", listener: () => void) => listeners.delete(listener));
  return {
    comesOnline() {
      for (const listener of listeners) listener();
    },
    listeners: () => listeners.size,
  };
}

test("a try that was overtaken by another says nothing any more, whatever becomes of it", async () => {
  const page = stubPage();
  const tickets: { resolve(url: string): void; reject(error: Error): void }[] = [];
  const { states, connector } = setUp({
    address: () => new Promise((resolve, reject) => void tickets.push({ resolve, reject })),
  });
  await settle();
  tickets[0]?.reject(new TypeError("fetch failed"));
  await settle();
  page.comesOnline();
  page.comesOnline();
  page.comesOnline();
  expect(tickets).toHaveLength(4);
  tickets[3]?.resolve("ws://last");
  await settle();
  tickets[1]?.reject(new TypeError("fetch failed"));
  socket(1).say("open");
  tickets[2]?.reject(new TypeError("fetch failed"));
  await vi.advanceTimersByTimeAsync(20_000);
  expect(connector.state).toBe("open");
  expect(states).toEqual(["offline", "open"]);
  expect(sockets.map(({ url }) => url)).toEqual(["ws://last"]);
});

test.each(["unauthenticated", "forbidden"] as const)(
  "a ticket refused as %s ends the tries",
  async (code) => {
    let tries = 0;
    const page = stubPage();
    const { states } = setUp({
      address: async () => {
        tries++;
        throw new Problem(code);
      },
    });
    await settle();
    expect(page.listeners()).toBe(0);
    await vi.advanceTimersByTimeAsync(600_000);
    expect(states).toEqual(["refused"]);
    expect(tries).toBe(1);
  },
);

test("a socket closed because the session has ended is not made anew", async () => {
  const { states, seen, connector } = setUp();
  await settle();
  socket(1).say("open");
  socket(1).say("close", { code: 1008 });
  await vi.advanceTimersByTimeAsync(600_000);
  expect(sockets).toHaveLength(1);
  expect(states).toEqual(["open", "refused"]);
  expect(seen.lost).toBe(1);
  connector.close();
  expect(connector.state).toBe("closed");
});
