import { IncomingMessage, ServerResponse } from "node:http";
import { Socket } from "node:net";
import { Duplex } from "node:stream";
import { expect, test } from "vitest";
import { manualClock } from "../../kit/clock.ts";
import type { TurnFrame, TurnReader } from "../../modules/turns/turn-log.ts";
import { createEventStreams } from "./event-stream.ts";

/** I17. */
const SOCKET_BUFFER_BYTES_MAX = 256 * 1024;

test("a client that never reads costs at most 256 KiB, however much there is to say (I17)", async () => {
  const socket = stuckSocket();
  const reader = endlessReader(1_000);
  open(socket, reader);
  await settle();
  expect(reader.taken).toBeGreaterThan(0);
  for (let round = 0; round < 100; round++) {
    reader.tell();
    await settle();
  }
  expect(socket.writableLength).toBeGreaterThan(1_000);
  expect(socket.writableLength).toBeLessThanOrEqual(SOCKET_BUFFER_BYTES_MAX);
});

test("what a slow client takes is what the log is read for, from where it stood", async () => {
  const socket = stuckSocket();
  const reader = endlessReader(1_000);
  open(socket, reader);
  await settle();
  const before = reader.taken;
  reader.tell();
  expect(reader.taken).toBe(before);
  for (let taken = 0; reader.taken === before; taken++) {
    expect(taken).toBeLessThan(1_000);
    socket.takeOne();
    await settle();
  }
  expect(socket.writableLength).toBeLessThanOrEqual(SOCKET_BUFFER_BYTES_MAX);
});

test("a stuck client gets no keep-alives on top, and is let go when its credential dies", async () => {
  const clock = manualClock();
  const socket = stuckSocket();
  let isAlive = true;
  let isClosed = false;
  const uses = {
    isAlive: async () => isAlive,
    onClose() {
      isClosed = true;
    },
  };
  open(socket, endlessReader(1_000), { clock, uses });
  await settle();
  const held = socket.writableLength;
  await clock.advance(60_000);
  expect(socket.writableLength).toBe(held);
  isAlive = false;
  await clock.advance(1_000);
  await settle();
  expect(isClosed).toBe(true);
  // What waits in the socket is not for it either.
  expect(socket.destroyed).toBe(true);
});

test("a client that is behind and takes nothing is let go in time; one that keeps up needs no timer (I17)", async () => {
  const socket = stuckSocket();
  const reader = endlessReader(1_000, 10);
  open(socket, reader);
  await settle();
  expect(socket.timeoutMs).toBe(0);
  reader.tell();
  const stuck = stuckSocket();
  open(stuck, endlessReader(1_000, 200));
  await settle();
  expect(stuck.timeoutMs).toBe(120_000);
  while (stuck.timeoutMs > 0) {
    expect(stuck.takeOne()).toBe(true);
    await settle();
  }
});

function open(
  socket: Duplex,
  reader: TurnReader,
  { clock = manualClock(), uses = { isAlive: async () => true, onClose() {} } } = {},
) {
  const request = Object.assign(new IncomingMessage(new Socket()), {
    httpVersionMajor: 1,
    httpVersionMinor: 1,
  });
  const response = new ServerResponse(request);
  response.assignSocket(socket as Socket);
  response.writeHead(200, { "content-type": "text/event-stream" });
  createEventStreams(clock).open(response, reader, uses);
}

/** A socket whose other end takes a piece only when it is told to. */
function stuckSocket(): Duplex & { takeOne(): boolean; timeoutMs: number; setTimeout(ms: number): void } {
  const waiting: (() => void)[] = [];
  const socket = new Duplex({
    read() {},
    write: (_chunk, _encoding, taken) => void waiting.push(taken),
  });
  return Object.assign(socket, {
    takeOne() {
      const taken = waiting.shift();
      taken?.();
      return taken !== undefined;
    },
    timeoutMs: -1,
    setTimeout(ms: number) {
      this.timeoutMs = ms;
    },
  });
}

/** Far more than a socket may hold. */
const FRAMES_MAX = 100_000;

/** A turn that has always more to say. */
function endlessReader(units: number, framesMax = FRAMES_MAX): TurnReader & { taken: number; tell(): void } {
  let listener = () => {};
  const text = "x".repeat(units);
  const of = { conversation_id: "c", turn_id: "t" };
  return {
    taken: 0,
    next(): TurnFrame | null {
      if (this.taken === framesMax) return null;
      const offset = this.taken++ * units;
      return { event: { type: "reply.delta", ...of, epoch: 1, offset, text, cursor: `t.1.${offset}` } };
    },
    isDone: () => false,
    onNews(to) {
      listener = to;
    },
    tell: () => listener(),
    close() {},
  };
}

const settle = () => new Promise<void>((resolve) => setImmediate(resolve));
