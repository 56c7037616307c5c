import { getHeapStatistics, setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

/**
 * Clears the heap of this thread now, where it holds more than so many bytes; what runs in it stands still
 * for that time. For a thread that has done something large and may have nothing more to do: V8 clears a heap
 * only when it is written to. Says whether there was that much.
 */
export function clearHeap(beyondBytes: number): boolean {
  const { used_heap_size, external_memory } = getHeapStatistics();
  if (used_heap_size + external_memory <= beyondBytes) return false;
  // Only who starts a process gives it options; a context made afterwards has what the option adds.
  setFlagsFromString("--expose-gc");
  (runInNewContext("gc") as () => void)();
  return true;
}
