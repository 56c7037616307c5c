import { Problem } from "@parley-chat/sdk/contract/problem";
import type { Clock } from "../../kit/clock.ts";

const RETRY_MS = [100, 250, 500, 1_000, 2_000] as const;
/** So long a refused claim or outcome is kept; what is lost then is one generation, never the turn. */
const WAIT_MS_MAX = 10 * 60_000;
/** So long a reader is left to wait for a store that refuses. */
const READERS_WAIT_MS_MAX = 30_000;

/**
 * Runs a work of the store until it is stored: a refusal for a while delays an outcome, it does not lose
 * it. Rejects with what no waiting mends, with any refusal once `isOver`, and after ten minutes.
 * `onLongWait` is called every half minute, for those who wait without a sign.
 */
export async function untilStored<T>(
  uses: { clock: Clock; isOver(): boolean; onLongWait(): void },
  work: () => Promise<T>,
): Promise<T> {
  const { clock } = uses;
  const startedMs = clock.monotonic();
  let toldMs = startedMs;
  for (let tries = 0; ; tries++) {
    try {
      return await work();
    } catch (error) {
      const nowMs = clock.monotonic();
      if (!isPassing(error) || uses.isOver() || nowMs - startedMs >= WAIT_MS_MAX) throw error;
      if (nowMs - toldMs >= READERS_WAIT_MS_MAX) {
        toldMs = nowMs;
        uses.onLongWait();
      }
      const waitMs = RETRY_MS[Math.min(tries, RETRY_MS.length - 1)] as number;
      await new Promise<void>((resolve) => void clock.after(waitMs, resolve));
    }
  }
}

/** The store takes nothing just now and says when to try again; what waits is not lost by it. */
export function isPassing(error: unknown): boolean {
  const { code, retryAfterS } = Problem.from(error);
  return (code === "storage_unavailable" || code === "overloaded") && retryAfterS !== undefined;
}
