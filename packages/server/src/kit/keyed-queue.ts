import { createPassingMap } from "./passing-map.ts";

/**
 * Runs works of one key one after another, in the order of the calls; works of different keys at once.
 * A work that fails does not keep the next from running.
 */
export function createKeyedQueue() {
  const last = createPassingMap<string, Promise<unknown>>();
  return async <T>(key: string, work: () => Promise<T>): Promise<T> => {
    const before = last.get(key);
    const run = before === undefined ? work() : before.then(work, work);
    last.set(key, run);
    try {
      return await run;
    } finally {
      if (last.get(key) === run) last.delete(key);
    }
  };
}
