import type { Clock } from "../../kit/clock.ts";
import type { TurnPlace } from "./lanes.ts";

/** The last one is also how late the end of a lasting trouble may be noticed (I4). */
const LOOK_AFTER_MS = [1_000, 1_000, 2_000, 5_000] as const;

/**
 * Turns that left their lane without an outcome: interrupted, held by another process, or behind one of
 * their conversation that is. Each is looked at again after a while, the first times within a second.
 */
export function createUnfinished(uses: { clock: Clock; lookAgain(turn: TurnPlace): void }) {
  const turns = new Map<string, { looks: number; cancel(): void }>();
  return {
    has: (turnId: string) => turns.has(turnId),
    add(turn: TurnPlace) {
      const known = turns.get(turn.turnId);
      known?.cancel();
      const looks = known?.looks ?? 0;
      const afterMs = LOOK_AFTER_MS[Math.min(looks, LOOK_AFTER_MS.length - 1)] as number;
      const cancel = uses.clock.after(afterMs, () => uses.lookAgain(turn));
      turns.set(turn.turnId, { looks: looks + 1, cancel });
    },
    /** How often in a row it has been looked at. */
    looks: (turnId: string): number => turns.get(turnId)?.looks ?? 0,
    remove(turnId: string) {
      turns.get(turnId)?.cancel();
      turns.delete(turnId);
    },
    clear() {
      for (const { cancel } of turns.values()) cancel();
      turns.clear();
    },
  };
}
