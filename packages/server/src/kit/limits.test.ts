import { expect, test } from "vitest";
import { createMemoryKv } from "../ports/kv/memory.ts";
import { manualClock } from "./clock.ts";
import { addressKey, createLimits, type LimitPolicy } from "./limits.ts";

const minute: LimitPolicy = { name: "minute", max: 2, windowMs: 60_000 };
const hour: LimitPolicy = { name: "hour", max: 3, windowMs: 3_600_000 };

function setUp(policies: LimitPolicy[]) {
  const clock = manualClock();
  return {
    clock,
    limits: createLimits({ kv: createMemoryKv({ clock }), clock, policies, what: "messages" }),
  };
}

test("the limit is exact, and the refusal says how many are allowed and when to try again", async () => {
  const { clock, limits } = setUp([minute]);
  const all = await Promise.all([1, 2, 3, 4].map(() => limits.take("u")));
  expect(all.map((one) => one.ok)).toEqual([true, true, false, false]);
  await clock.advance(17_500);
  const refused = await limits.take("u");
  if (refused.ok) throw new Error("must be refused");
  expect(refused.problem).toMatchObject({ code: "rate_limited", retryAfterS: 43 });
  expect(refused.problem.detail).toBe("At most 2 messages a minute are allowed; try again in 43 s.");
  await clock.advance(43_000);
  expect((await limits.take("u")).ok).toBe(true);
});

test("keys are limited apart", async () => {
  const { limits } = setUp([{ ...minute, max: 1 }]);
  expect((await limits.take("a")).ok).toBe(true);
  expect((await limits.take("b")).ok).toBe(true);
  expect((await limits.take("a")).ok).toBe(false);
});

test("a call that one policy refuses counts under none", async () => {
  const { clock, limits } = setUp([minute, hour]);
  for (let n = 0; n < 6; n++) await limits.take("u");
  await clock.advance(60_001);
  expect((await limits.take("u")).ok).toBe(true);
  const refused = await limits.take("u");
  if (refused.ok) throw new Error("must be refused by the hour");
  expect(refused.problem.retryAfterS).toBe(3_540);
  expect(refused.state.policies.map((p) => [p.name, p.remaining])).toEqual([
    ["minute", 1],
    ["hour", 0],
  ]);
});

test("the state tells each policy's size, what is left and when it starts anew", async () => {
  const { limits } = setUp([minute, hour]);
  expect((await limits.take("u")).state.policies).toEqual([
    { name: "minute", max: 2, windowS: 60, remaining: 1, resetS: 60 },
    { name: "hour", max: 3, windowS: 3_600, remaining: 2, resetS: 3_600 },
  ]);
});

test("a refund gives the place back once", async () => {
  const { limits } = setUp([minute]);
  const first = await limits.take("u");
  await limits.take("u");
  if (!first.ok) throw new Error("must be let through");
  await first.refund();
  await first.refund();
  expect((await limits.take("u")).ok).toBe(true);
  expect((await limits.take("u")).ok).toBe(false);
});

test("a refund after its window ended takes nothing from the next window", async () => {
  const { clock, limits } = setUp([{ ...minute, max: 1 }]);
  const first = await limits.take("u");
  await clock.advance(60_001);
  expect((await limits.take("u")).ok).toBe(true);
  if (first.ok) await first.refund();
  expect((await limits.take("u")).ok).toBe(false);
});

test("a max of 0 turns a policy off", async () => {
  const { limits } = setUp([{ ...minute, max: 0 }]);
  for (let n = 0; n < 10; n++) {
    expect(await limits.take("u")).toMatchObject({ ok: true, state: { policies: [] } });
  }
});

test("a kv store that is out of reach lets calls through", async () => {
  const kv = { count: () => Promise.reject(new Error("refused")) };
  const result = await createLimits({ kv, clock: manualClock(), policies: [minute] }).take("u");
  expect(result.ok).toBe(true);
  if (result.ok) await result.refund();
});

test.each([
  ["192.0.2.7", "192.0.2.7"],
  ["::ffff:192.0.2.7", "192.0.2.7"],
  ["::ffff:c000:207", "192.0.2.7"],
  ["0:0:0:0:0:ffff:192.0.2.7", "192.0.2.7"],
  ["2001:db8:1:2ff:3:4:5:6", "2001:db8:1:200::/56"],
  ["2001:db8:1:200::1", "2001:db8:1:200::/56"],
  ["2001:0DB8:0001:02AB::", "2001:db8:1:200::/56"],
  ["2001:db8:1:300::1", "2001:db8:1:300::/56"],
  ["fe80::1%eth0", "fe80:0:0:0::/56"],
  ["::1", "0:0:0:0::/56"],
  ["64:ff9b::192.0.2.7", "64:ff9b:0:0::/56"],
  ["unknown", "unknown"],
])("the address %s is limited as %s", (address, key) => {
  expect(addressKey(address)).toBe(key);
});
