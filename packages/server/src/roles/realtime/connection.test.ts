import { EventEmitter } from "node:events";
import type { Socket } from "node:net";
import { Duplex } from "node:stream";
import type { Principal } from "@parley-chat/sdk/contract";
import { expect, test } from "vitest";
import type { WebSocket } from "ws";
import { textFrame } from "../../kit/web-socket-frames.ts";
import { Connection } from "./connection.ts";

/** I17. */
const BUFFERED_BYTES_MAX = 256 * 1024;
const frame = textFrame("x".repeat(1_000));

/** A connection whose other end takes a piece only when it is told to. */
function setUp() {
  const waiting: (() => void)[] = [];
  const said: string[] = [];
  const stream = new Duplex({
    read() {},
    writableHighWaterMark: 16 * 1024,
    write: (_chunk, _encoding, taken) => void waiting.push(taken),
  });
  let written = 0;
  const write = stream.write.bind(stream) as (chunk: Buffer) => boolean;
  stream.write = ((chunk: Buffer) => {
    written += chunk.length;
    return write(chunk);
  }) as typeof stream.write;
  const socket = Object.defineProperty(stream as Socket, "bytesWritten", { get: () => written });
  const webSocket = Object.assign(new EventEmitter(), {
    pause: () => void said.push("pause"),
    resume: () => {},
    close: (code: number) => void said.push(`close ${code}`),
    terminate: () => void said.push("terminate"),
  });
  const request = { headers: {}, socket };
  const connection = new Connection(webSocket as EventEmitter as WebSocket, request, {} as Principal, 0);
  const told: string[] = [];
  connection.begin(
    {
      receive: (data) => void told.push(`receive ${data}`),
      blocked: () => void told.push("blocked"),
      drained: () => void told.push("drained"),
      closed: () => void told.push("closed"),
    },
    () => void told.push("forgotten"),
  );
  const takeOne = async () => {
    waiting.shift()?.();
    await new Promise((resolve) => setImmediate(resolve));
  };
  return { connection, webSocket, socket, said, told, takeOne };
}

test("a client that does not read costs at most 256 KiB, then is asked to connect again (I17)", () => {
  const { connection, socket, said } = setUp();
  let count = 0;
  while (!said.includes("close 1013")) {
    connection.write(frame);
    expect(++count).toBeLessThan(1_000);
    expect(socket.writableLength).toBeLessThanOrEqual(BUFFERED_BYTES_MAX);
  }
  const held = socket.writableLength;
  expect(held).toBeGreaterThan(BUFFERED_BYTES_MAX / 2);
  for (let n = 0; n < 100; n++) connection.write(frame);
  expect(socket.writableLength).toBe(held);
  expect(said).toEqual(["close 1013"]);
});

test("logs are read on only while less than half of that waits, and again once all was taken", async () => {
  const { connection, socket, told, takeOne } = setUp();
  while (!connection.isBlocked()) connection.write(frame);
  expect(socket.writableLength).toBeLessThanOrEqual(BUFFERED_BYTES_MAX / 2 + frame.length);
  await takeOne();
  expect(connection.isBlocked()).toBe(true);
  for (let n = 0; connection.isBlocked(); n++) {
    await takeOne();
    expect(n).toBeLessThan(1_000);
  }
  expect(told).toEqual(["blocked", "drained"]);
});

test("a frame larger than all that goes to a client that reads", () => {
  const { connection, said } = setUp();
  connection.write(textFrame("x".repeat(2 * BUFFERED_BYTES_MAX)));
  expect(said).toEqual([]);
});

test("a long reply at its end leaves room for frames that come beside it", () => {
  const { connection, socket, said } = setUp();
  connection.write(textFrame("x".repeat(2 * BUFFERED_BYTES_MAX)));
  const before = socket.writableLength;
  while (said.length === 0) connection.write(frame);
  expect(socket.writableLength - before).toBeGreaterThan(60 * 1024);
  expect(socket.writableLength - before).toBeLessThanOrEqual(64 * 1024);
});

test("a socket that says nothing from one beat to the next is ended", async () => {
  const { connection, webSocket, said } = setUp();
  connection.beat();
  webSocket.emit("pong");
  connection.beat();
  webSocket.emit("message", Buffer.from("any"), false);
  connection.beat();
  expect(said).toEqual([]);
  connection.beat();
  expect(said).toEqual(["terminate"]);
});

test("a slow client that takes some of what waits lives on without an answer to pings", async () => {
  const { connection, said, takeOne } = setUp();
  while (!connection.isBlocked()) connection.write(frame);
  connection.beat();
  for (let n = 0; n < 5; n++) {
    await takeOne();
    connection.beat();
  }
  expect(said).toEqual([]);
  connection.beat();
  expect(said).toEqual(["terminate"]);
});

test("from a close on nothing comes in or goes out, and the session hears of the end once", () => {
  const { connection, socket, webSocket, told, said } = setUp();
  connection.close(1008, "unauthenticated");
  connection.close(1012, "again");
  connection.write(frame);
  webSocket.emit("message", Buffer.from("late"), false);
  expect(socket.writableLength).toBe(0);
  webSocket.emit("close");
  expect(said).toEqual(["close 1008"]);
  expect(told).toEqual(["closed", "forgotten"]);
});
