import { setImmediate as nextTurnOfTheLoop } from "node:timers/promises";
import type { Clock } from "../../kit/clock.ts";
import type { MessageStore, OpenTurn } from "../../ports/message-store/message-store.ts";
import { isPassing } from "./until-stored.ts";

const LOOK_EVERY_MS = 1_000;
/** Turns reach their lanes by themselves; a sweep is for what fell between. */
const SWEEP_EVERY_MS = 5_000;
/** About a millisecond of the event loop. */
const PAGE = 250;
const PAGES_PER_SWEEP = 40;

/**
 * Mends what a cut send left out, and adopts every turn that has not ended: at the start, then every
 * five seconds, and every second while there is more to do or the store refused.
 */
export function createSweep(uses: {
  store: Pick<MessageStore, "repair" | "openTurns">;
  clock: Clock;
  adopt(turn: OpenTurn): void;
  onTrouble(error: unknown): void;
}) {
  const { store, clock } = uses;
  let cancel = () => {};
  let isRunning = false;
  let isStopped = false;
  /** Where the next page begins; null: from the first turn on. */
  let after: OpenTurn | null = null;
  let dueMs = Number.NEGATIVE_INFINITY;

  async function sweep(): Promise<void> {
    let isMore = false;
    const part = async (work: () => Promise<boolean>) => {
      try {
        isMore = (await work()) || isMore;
      } catch (error) {
        if (isPassing(error)) isMore = true;
        else uses.onTrouble(error);
      }
    };
    // One does not wait for the other: a row that cannot be mended must hold up no turn.
    await part(async () => (await store.repair()).hasMore);
    await part(adoptAll);
    dueMs = clock.monotonic() + (isMore ? LOOK_EVERY_MS : SWEEP_EVERY_MS);
  }

  /** Returns whether there are turns left, for the next sweep. */
  async function adoptAll(): Promise<boolean> {
    for (let pages = 0; pages < PAGES_PER_SWEEP && !isStopped; pages++) {
      const page: OpenTurn[] = await store.openTurns({ after, limit: PAGE });
      if (isStopped) return false;
      for (const turn of page) uses.adopt(turn);
      after = page.length < PAGE ? null : (page.at(-1) as OpenTurn);
      if (!after) return false;
      await nextTurnOfTheLoop();
    }
    return true;
  }

  const run = async (): Promise<void> => {
    if (isRunning || isStopped) return;
    isRunning = true;
    await sweep();
    isRunning = false;
  };

  return {
    /** Resolves after the first sweep. */
    async start(): Promise<void> {
      cancel = clock.every(LOOK_EVERY_MS, () => {
        if (clock.monotonic() >= dueMs) void run();
      });
      await run();
    },
    stop() {
      isStopped = true;
      cancel();
    },
  };
}
