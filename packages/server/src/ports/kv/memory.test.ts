import { expect, test } from "vitest";
import { manualClock } from "../../kit/clock.ts";
import { kvConformance } from "./conformance.ts";
import { createMemoryKv } from "./memory.ts";

kvConformance(async () => {
  const clock = manualClock();
  return { kv: createMemoryKv({ clock }), pass: clock.advance };
});

test("past its limit the key that was set first makes room, however long it would last", async () => {
  const kv = createMemoryKv({ clock: manualClock(), keysMax: 3 });
  await kv.count("hour", 1, 9_000);
  await kv.set("again", "1", 9_000);
  await kv.set("ticket", "1", 1_000);
  await kv.set("again", "2", 9_000);
  await kv.count("hour", 1, 9_000);
  await kv.set("new", "1", 7_000);
  expect(await kv.get("hour")).toBeNull();
  await kv.set("newer", "1", 7_000);
  expect(await kv.get("ticket")).toBeNull();
  expect([await kv.get("again"), await kv.get("new"), await kv.get("newer")]).toEqual(["2", "1", "1"]);
});

test("expired keys make room before living ones", async () => {
  const clock = manualClock();
  const kv = createMemoryKv({ clock, keysMax: 2 });
  await kv.set("short", "1", 1_000);
  await kv.set("long", "1", 3_000);
  await clock.advance(1_500);
  await kv.set("new", "1", 1_000);
  expect(await kv.get("long")).toBe("1");
  expect(await kv.get("new")).toBe("1");
});

test("random sets and deletes never leave more than the limit, and always the last that were set", async () => {
  // A run is repeated with the seed that it printed.
  const seed = Number(process.env.JOURNEY_SEED ?? Math.floor(Math.random() * 2 ** 31));
  console.log(`random sets and deletes: JOURNEY_SEED=${seed}`);
  let state = seed % 2_147_483_648;
  const random = (below: number) => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
    return state % below;
  };
  const kv = createMemoryKv({ clock: manualClock(), keysMax: 50 });
  const model = new Set<string>();
  for (let n = 0; n < 5_000; n++) {
    const key = `k${random(200)}`;
    if (random(4) === 0) {
      await kv.delete(key);
      model.delete(key);
      continue;
    }
    await kv.set(key, "v", 1_000 + random(1_000));
    model.delete(key);
    model.add(key);
    const [first] = model;
    if (model.size > 50 && first !== undefined) model.delete(first);
  }
  for (let n = 0; n < 200; n++) {
    expect(await kv.get(`k${n}`), `k${n} with seed ${seed}`).toBe(model.has(`k${n}`) ? "v" : null);
  }
});

test("a jump of the wall clock ends nothing early", async () => {
  const clock = manualClock();
  const kv = createMemoryKv({ clock });
  await kv.set("a", "1", 1_000);
  clock.jump(86_400_000);
  expect(await kv.get("a")).toBe("1");
});

test("counting on a text is refused and leaves the text", async () => {
  const kv = createMemoryKv({ clock: manualClock() });
  await kv.set("a", "text", 1_000);
  await expect(kv.count("a", 1, 1_000)).rejects.toThrow("counter");
  expect(await kv.get("a")).toBe("text");
});
