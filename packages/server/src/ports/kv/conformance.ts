import { afterEach, beforeEach, expect, test } from "vitest";
import type { Kv } from "./kv.ts";

export interface KvUnderTest {
  kv: Kv;
  /** Lets `ms` pass, by a clock of the test or by waiting. */
  pass(ms: number): Promise<void>;
}

/** What every kv store must do; an adapter's own test is a call to this. */
export function kvConformance(open: () => Promise<KvUnderTest>) {
  let kv: Kv;
  let pass: KvUnderTest["pass"];
  beforeEach(async () => {
    ({ kv, pass } = await open());
  });
  afterEach(() => kv.close());

  test("a value is read until its time to live is over, then it is missing", async () => {
    await kv.set("a", "1", 1_000);
    expect(await kv.get("a")).toBe("1");
    expect(await kv.get("b")).toBeNull();
    await pass(1_001);
    expect(await kv.get("a")).toBeNull();
  });

  test("a set replaces the value and its time to live", async () => {
    await kv.set("a", "1", 1_000);
    await kv.set("a", "ü ✓", 5_000);
    await pass(2_000);
    expect(await kv.get("a")).toBe("ü ✓");
  });

  test("of several setters of an absent key one succeeds, and an expired key counts as absent", async () => {
    const won = await Promise.all(["x", "y", "z"].map((v) => kv.setIfAbsent("a", v, 1_000)));
    expect(won.filter(Boolean)).toHaveLength(1);
    await pass(1_001);
    expect(await kv.setIfAbsent("a", "later", 1_000)).toBe(true);
    expect(await kv.get("a")).toBe("later");
  });

  test("of several takers one gets the value", async () => {
    await kv.set("ticket", "42", 1_000);
    const taken = await Promise.all([1, 2, 3].map(() => kv.take("ticket")));
    expect(taken.filter((v) => v !== null)).toEqual(["42"]);
    expect(await kv.get("ticket")).toBeNull();
  });

  test("an expired value cannot be taken", async () => {
    await kv.set("ticket", "42", 1_000);
    await pass(1_001);
    expect(await kv.take("ticket")).toBeNull();
  });

  test("a delete makes a key missing; of a missing key it is no error", async () => {
    await kv.set("a", "1", 1_000);
    await kv.delete("a");
    await kv.delete("a");
    expect(await kv.get("a")).toBeNull();
  });

  test("the first hit starts a counter's window, later hits do not prolong it", async () => {
    expect(await kv.count("c", 1, 10_000)).toMatchObject({ count: 1 });
    await pass(6_000);
    const second = await kv.count("c", 2, 10_000);
    expect(second.count).toBe(3);
    expect(second.resetMs).toBeGreaterThan(0);
    expect(second.resetMs).toBeLessThanOrEqual(4_000);
    await pass(4_001);
    expect(await kv.count("c", 1, 10_000)).toMatchObject({ count: 1 });
  });

  test("counts at the same time are all counted", async () => {
    const counts = await Promise.all(Array.from({ length: 20 }, () => kv.count("c", 1, 10_000)));
    expect(counts.map((c) => c.count).sort((a, b) => a - b)).toEqual(
      Array.from({ length: 20 }, (_, n) => n + 1),
    );
  });

  test("a counter never falls below 0, and taking back from a missing one starts no window", async () => {
    expect(await kv.count("c", -1, 10_000)).toEqual({ count: 0, resetMs: 0 });
    await kv.count("c", 2, 10_000);
    expect(await kv.count("c", -5, 10_000)).toMatchObject({ count: 0 });
    expect(await kv.count("c", 1, 10_000)).toMatchObject({ count: 1 });
  });

  test("a key of 512 characters and a value of 64 KiB are kept, longer ones are refused", async () => {
    const key = "k".repeat(512);
    await kv.set(key, "v".repeat(65_536), 1_000);
    expect(await kv.get(key)).toHaveLength(65_536);
    await expect(kv.set(`${key}k`, "v", 1_000)).rejects.toThrow();
    await expect(kv.set("k", "v".repeat(65_537), 1_000)).rejects.toThrow();
    await expect(kv.set("k", "ü".repeat(40_000), 1_000)).rejects.toThrow();
  });
}
