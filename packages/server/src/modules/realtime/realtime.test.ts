import type { Principal, SignedInContext } from "@parley-chat/sdk/contract";
import { expect, test } from "vitest";
import { manualClock } from "../../kit/clock.ts";
import { createMemoryKv } from "../../ports/kv/memory.ts";
import { createRealtime } from "./realtime.ts";

const principal: Principal = {
  userId: "01900000-0000-7000-8000-000000000001",
  role: "user",
  scopes: ["chat"],
  credential: { kind: "session", id: "01900000-0000-7000-8000-000000000002" },
};
const context = { principal } as SignedInContext;

function setUp() {
  const clock = manualClock();
  const kv = createMemoryKv({ clock });
  let last = 0;
  const realtime = createRealtime({ kv, random: (bytes) => new Uint8Array(bytes).fill(++last) });
  return { clock, kv, realtime };
}

test("a ticket opens one socket, as whoever asked for it", async () => {
  const { realtime } = setUp();
  const { ticket, expires_in } = await realtime.createTicket({}, context);
  expect(ticket).toMatch(/^[\w-]{32}$/);
  expect(expires_in).toBe(30);
  const takers = await Promise.all([1, 2, 3].map(() => realtime.takeTicket(ticket)));
  expect(takers.filter((taker) => taker !== null)).toEqual([principal]);
});

test("a ticket is good for 30 seconds and no longer", async () => {
  const { clock, realtime } = setUp();
  const [early, late] = [
    await realtime.createTicket({}, context),
    await realtime.createTicket({}, context),
  ] as const;
  await clock.advance(29_999);
  expect(await realtime.takeTicket(early.ticket)).toEqual(principal);
  await clock.advance(1);
  expect(await realtime.takeTicket(late.ticket)).toBeNull();
});

test("what is stored of a ticket does not open anything", async () => {
  const { kv, realtime } = setUp();
  const keys: string[] = [];
  const { set } = kv;
  kv.set = (key, value, ttlMs) => {
    keys.push(key, value);
    return set(key, value, ttlMs);
  };
  const { ticket } = await realtime.createTicket({}, context);
  expect(keys.join(" ")).not.toContain(ticket);
  expect(await realtime.takeTicket(keys[0]?.replace("ticket:", "") as string)).toBeNull();
});
