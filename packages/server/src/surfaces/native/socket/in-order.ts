import { createKeyedQueue } from "../../../kit/keyed-queue.ts";

/** News of one feed that may wait to be read from the store. */
const WAITING_MAX = 1_000;

/** Runs works one after another, the first at once; `onOverflow` instead of one that is too many. */
export function createOrder(onTrouble: (error: unknown) => void, onOverflow: () => void) {
  const queue = createKeyedQueue();
  let waiting = 0;
  return (work: () => Promise<void>): void => {
    if (waiting >= WAITING_MAX) return void onOverflow();
    waiting++;
    queue("", work)
      .catch(onTrouble)
      .finally(() => waiting--);
  };
}
