/** A group of this size that comes as one is better done as one, in one commit; a crowd is larger. */
const SLICES_AT_ONCE = 3;

/**
 * Shares the event loop out among many who come at once: what is to be done for them is done in the order in
 * which they came, for some slices of time in one turn of the loop; the rest waits for later turns and has a slice
 * of each, so that timers, streams and answers under way have theirs in between. A crowd that is new does not hold
 * up who is here already: of those who wait, one of each kind has its turn.
 * @param uses.now milliseconds that never jump
 */
export function createTurnSlices({ sliceMs, now }: { sliceMs: number; now(): number }) {
  const here: (() => void)[] = [];
  const anew: (() => void)[] = [];
  let isTurnOfHere = false;
  /** When the work of this turn began; null where none has. */
  let beganMs: number | null = null;

  const isAnyWaiting = () => here.length > 0 || anew.length > 0;

  function next(): (() => void) | undefined {
    isTurnOfHere = !isTurnOfHere;
    return isTurnOfHere ? (here.shift() ?? anew.shift()) : (anew.shift() ?? here.shift());
  }

  async function doSome(): Promise<void> {
    beganMs = now();
    while (isAnyWaiting() && now() - beganMs < sliceMs) {
      next()?.();
      // What it goes on with by promises belongs to its time.
      await null;
    }
    if (isAnyWaiting()) setImmediate(doSome);
    else beganMs = null;
  }

  return {
    /**
     * Does it at once where nobody waits and time is left, else in its turn. It must not throw.
     * @param uses.isHere for one who was served before
     */
    run(work: () => void, { isHere = false } = {}): void {
      if (beganMs === null) {
        beganMs = now();
        setImmediate(doSome);
      }
      if (isAnyWaiting() || now() - beganMs >= SLICES_AT_ONCE * sliceMs) (isHere ? here : anew).push(work);
      else work();
    },
  };
}
