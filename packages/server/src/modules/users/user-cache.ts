import type { Clock } from "../../kit/clock.ts";
import { recentMap } from "../../kit/recent-map.ts";
import type { UserRow } from "./users.repository.ts";

const CACHED_MAX = 10_000;
/** What another process changes is noticed after this; what this one changes, at once. */
const AGE_MS_MAX = 1_000;

/** The accounts that calls ask for again and again: who am I, and the name that a prompt holds. */
export function createUserCache(uses: { clock: Clock; load(id: string): Promise<UserRow> }) {
  const cached = recentMap<string, { user: UserRow; readAt: number }>(CACHED_MAX);
  let changes = 0;
  return {
    /** Rejects as `load` does; that is not kept. */
    async get(id: string): Promise<UserRow> {
      const readAt = uses.clock.monotonic();
      const known = cached.get(id);
      if (known && readAt - known.readAt < AGE_MS_MAX) return known.user;
      const changesBefore = changes;
      const user = await uses.load(id);
      // What was read before a change is not kept, even if the read ends after it.
      if (changes === changesBefore) cached.set(id, { user, readAt });
      return user;
    },
    /** After a change is stored. */
    forget(id: string) {
      changes++;
      cached.delete(id);
    },
  };
}
