/** A group of this size that comes as one is better done as one, in one commit; a crowd is larger. */
const SLICES_AT_ONCE = 3;

/**
 * Shares the event loop out among many who come at once: what is to be done for them is done in the order in
 * which they came, for some slices of time in one turn of the loop; the rest waits for later turns and has a slice
 * of each, so that timers, streams and answers under way have theirs in between.
 * @param uses.now milliseconds that never jump
 */
export function createTurnSlices({ sliceMs, now }: { sliceMs: number; now(): number }) {
  const waiting: (() => void)[] = [];
  /** When the work of this turn began; null where none has. */
  let beganMs: number | null = null;

  async function doSome(): Promise<void> {
    beganMs = now();
    while (waiting.length > 0 && now() - beganMs < sliceMs) {
      waiting.shift()?.();
      // What it goes on with by promises belongs to its time.
      await null;
    }
    if (waiting.length > 0) setImmediate(doSome);
    else beganMs = null;
  }

  return {
    /** Does it at once where nobody waits and time is left, else in its turn. It must not throw. */
    run(work: () => void): void {
      if (beganMs === null) {
        beganMs = now();
        setImmediate(doSome);
      }
      if (waiting.length > 0 || now() - beganMs >= SLICES_AT_ONCE * sliceMs) waiting.push(work);
      else work();
    },
  };
}
