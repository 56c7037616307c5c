import { getHeapSpaceStatistics, setFlagsFromString } from "node:v8";
import type { Clock } from "./clock.ts";

const LOOK_EVERY_MS = 1_000;
const BYTES_MAX = 32 * 1024 * 1024;

/**
 * Node 24 lets the young part of the heap grow to 128 MB under load, and an idle server never gives it
 * back: of ten thousand idle sockets it was half of all memory. At 32 MB, where earlier versions stopped,
 * it grows no more. The option for that, `--max-semi-space-size`, is read before any of our code runs and
 * who starts us does not set it; the factor by which it grows is read each time. V8 shrinks it by itself
 * in quiet times, so it may grow again when it is smaller. Returns the function that stops watching.
 */
export function capYoungHeap(
  clock: Clock,
  heap: { youngBytes(): number; setGrowth(factor: 1 | 2): void } = v8Heap,
): () => void {
  let isCapped = false;
  return clock.every(LOOK_EVERY_MS, () => {
    const isFull = heap.youngBytes() >= BYTES_MAX;
    if (isFull === isCapped) return;
    isCapped = isFull;
    heap.setGrowth(isFull ? 1 : 2);
  });
}

const v8Heap = {
  youngBytes: () =>
    getHeapSpaceStatistics().find(({ space_name }) => space_name === "new_space")?.space_size ?? 0,
  setGrowth: (factor: 1 | 2) => setFlagsFromString(`--semi-space-growth-factor=${factor}`),
};
