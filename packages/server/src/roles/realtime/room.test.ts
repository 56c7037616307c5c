import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { Principal } from "@parley-chat/sdk/contract";
import { Problem } from "@parley-chat/sdk/contract/problem";
import { afterEach, expect, test } from "vitest";
import { WebSocket } from "ws";
import { manualClock } from "../../kit/clock.ts";
import { createRealtimeRole, type RealtimeUses } from "./realtime.ts";

const principal: Principal = {
  userId: "01900000-0000-7000-8000-000000000001",
  role: "user",
  scopes: ["chat"],
  credential: { kind: "session", id: "01900000-0000-7000-8000-000000000002" },
};

const toEnd: (() => void)[] = [];
afterEach(() => {
  for (const end of toEnd.splice(0)) end();
});

/** A role whose tickets are looked up for as long as the test likes. */
async function setUp(more: Partial<RealtimeUses> = {}) {
  const asked: (() => void)[] = [];
  const whenAsked: (() => void)[] = [];
  const server = createServer();
  const role = createRealtimeRole({
    clock: manualClock(),
    allowedOrigins: [],
    publicUrl: undefined,
    socketsPerUserMax: 10,
    checkOpen() {},
    takeTicket: () =>
      new Promise((resolve) => {
        asked.push(() => resolve(principal));
        for (const tell of whenAsked) tell();
      }),
    isAlive: async () => true,
    onRevoked: () => () => {},
    open: () => ({ receive() {}, blocked() {}, drained() {}, closed() {} }),
    onProblem() {},
    openSockets: { opened() {}, closed() {} },
    ...more,
  });
  server.on("upgrade", role.upgrade);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  toEnd.push(() => {
    server.close();
    server.closeAllConnections();
  });
  const { port } = server.address() as AddressInfo;
  /** How it went: `open`, the status of a refusal, or the code of a close that followed the opening. */
  const connect = () => {
    const socket = new WebSocket(`ws://127.0.0.1:${port}/api/v2/realtime?ticket=x`);
    toEnd.push(() => socket.terminate());
    // A refusal ends in an error too, as does a socket that is torn down half open.
    socket.on("error", () => {});
    const closed = new Promise<number>((resolve) => void socket.on("close", resolve));
    const answered = new Promise<"open" | number>((resolve) => {
      socket.on("open", () => resolve("open"));
      socket.on("unexpected-response", (_, { statusCode }) => resolve(statusCode as number));
    });
    return { answered, closed };
  };
  const untilAsked = (count: number) =>
    new Promise<void>((resolve) => {
      const look = () => {
        if (asked.length >= count) resolve();
      };
      whenAsked.push(look);
      look();
    });
  const answerAll = () => {
    for (const answer of asked) answer();
  };
  return { role, connect, untilAsked, answerAll };
}

test("of sockets that ask at once no more are let in than one person may have", async () => {
  const { connect, untilAsked, answerAll } = await setUp({ socketsPerUserMax: 2 });
  const sockets = [1, 2, 3, 4, 5].map(connect);
  await untilAsked(5);
  answerAll();
  const answers = await Promise.all(sockets.map(({ answered }) => answered));
  expect(answers.sort()).toEqual([503, 503, 503, "open", "open"]);
});

test("a server that began to stop while a ticket was looked up opens no socket", async () => {
  let isStopping = false;
  const checkOpen = () => {
    if (isStopping) throw new Problem("draining");
  };
  const { connect, untilAsked, answerAll } = await setUp({ checkOpen });
  const { answered } = connect();
  await untilAsked(1);
  isStopping = true;
  answerAll();
  expect(await answered).toBe(503);
});

test("a socket that comes in after the close is closed with it", async () => {
  const { role, connect, untilAsked, answerAll } = await setUp();
  const { answered, closed } = connect();
  await untilAsked(1);
  await role.close();
  answerAll();
  expect(await answered).toBe("open");
  expect(await closed).toBe(1012);
});
