import { expect, test } from "vitest";
import { manualClock } from "./clock.ts";
import { capYoungHeap } from "./young-heap.ts";

test("the young heap grows to 32 MB and then no more, until it has shrunk", async () => {
  const clock = manualClock();
  const factors: number[] = [];
  let megabytes = 8;
  const stop = capYoungHeap(clock, {
    youngBytes: () => megabytes * 1024 * 1024,
    setGrowth: (factor) => void factors.push(factor),
  });
  await clock.advance(5_000);
  expect(factors).toEqual([]);
  megabytes = 32;
  await clock.advance(5_000);
  expect(factors).toEqual([1]);
  megabytes = 2;
  await clock.advance(5_000);
  expect(factors).toEqual([1, 2]);
  stop();
  megabytes = 64;
  await clock.advance(5_000);
  expect(factors).toEqual([1, 2]);
});
