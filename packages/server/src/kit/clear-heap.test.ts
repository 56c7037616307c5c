import { getHeapStatistics } from "node:v8";
import { expect, test } from "vitest";
import { clearHeap } from "./clear-heap.ts";

const LARGE = 200_000;
const usedBytes = () => getHeapStatistics().used_heap_size;

test("what nobody holds any more is gone, where there is more than may be", () => {
  clearHeap(0);
  const before = usedBytes();
  let held: object[] | null = Array.from({ length: LARGE }, (_, i) => ({ text: `number ${i}` }));
  clearHeap(0);
  expect(held).toHaveLength(LARGE);
  const full = usedBytes();
  held = null;
  clearHeap(Infinity);
  expect(usedBytes()).toBeGreaterThanOrEqual(full);
  clearHeap(before);
  expect(usedBytes() - before).toBeLessThan((full - before) / 10);
});
