import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { Principal } from "@parley-chat/sdk/contract";
import { afterEach, expect, test } from "vitest";
import { WebSocket } from "ws";
import { manualClock } from "../../kit/clock.ts";
import { createRealtimeRole } from "./realtime.ts";

const cleanUps: (() => void)[] = [];
afterEach(() => {
  for (const cleanUp of cleanUps.splice(0)) cleanUp();
});

async function setUp() {
  const clock = manualClock();
  const dead = new Set<string>();
  const revoked = new Set<() => void>();
  let opened = 0;
  const role = createRealtimeRole({
    clock,
    allowedOrigins: [],
    publicUrl: undefined,
    socketsPerUserMax: 10,
    checkOpen() {},
    takeTicket: async (ticket): Promise<Principal> => ({
      userId: ticket,
      role: "user",
      scopes: ["chat"],
      credential: { kind: "session", id: ticket },
    }),
    isAlive: async ({ credential }) => !dead.has(credential.id),
    onRevoked(listener) {
      revoked.add(listener);
      return () => revoked.delete(listener);
    },
    open: () => ({ receive() {}, blocked() {}, drained() {}, closed() {} }),
    onProblem() {},
    openSockets: {
      opened: () => {
        opened++;
      },
      closed() {},
    },
  });
  const server = createServer().on("upgrade", role.upgrade).listen(0, "127.0.0.1");
  await once(server, "listening");
  cleanUps.push(() => server.close());
  const connect = async (ticket: string) => {
    const { port } = server.address() as AddressInfo;
    const socket = new WebSocket(`ws://127.0.0.1:${port}/api/v2/realtime?ticket=${ticket}`);
    cleanUps.push(() => socket.terminate());
    const before = opened;
    await once(socket, "open");
    await expect.poll(() => opened).toBeGreaterThan(before);
    return { socket, closed: once(socket, "close").then(([code]) => code as number) };
  };
  const tellRevoked = () => {
    for (const listener of revoked) listener();
  };
  return { clock, dead, connect, tellRevoked };
}

test("sockets of a credential that died unannounced are closed within a second, no others (I13)", async () => {
  const { clock, dead, connect } = await setUp();
  const hers = [await connect("ann"), await connect("ann")];
  const his = await connect("ben");
  dead.add("ann");
  await clock.advance(1_000);
  for (const { closed } of hers) expect(await closed).toBe(1008);
  expect(his.socket.readyState).toBe(WebSocket.OPEN);
});

test("an announced revocation closes sockets at once (I13)", async () => {
  const { dead, connect, tellRevoked } = await setUp();
  const { closed } = await connect("ann");
  dead.add("ann");
  tellRevoked();
  expect(await closed).toBe(1008);
});
