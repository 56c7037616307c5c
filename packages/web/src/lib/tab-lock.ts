/** Does `work` while no other tab of this browser does work under the same name. */
export type TabLock = <T>(name: string, work: () => Promise<T>) => Promise<T>;

const LEASE_MS = 10_000;
const LOOK_EVERY_MS = 50;

/**
 * By the browser's own locks; pages that came by plain http from the home network have none, so there a
 * lease in storage stands in.
 */
export function browserTabLock(storage: LeaseStorage | undefined): TabLock {
  if (navigator.locks) return (name, work) => navigator.locks.request(name, work) as ReturnType<typeof work>;
  const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));
  return createLeaseLock({ storage, now: Date.now, random: Math.random, pause });
}

type LeaseStorage = Pick<Storage, "getItem" | "setItem" | "removeItem">;

/** Who holds a lease wrote it last; it runs out by itself where its tab was closed in the midst. */
export function createLeaseLock(uses: {
  storage: LeaseStorage | undefined;
  now(): number;
  random(): number;
  pause(ms: number): Promise<void>;
}): TabLock {
  const { storage, now, random, pause } = uses;
  return async (name, work) => {
    const key = `parley.lock.${name}`;
    let mine = "";
    for (let waitedMs = 0; storage && waitedMs < 2 * LEASE_MS; waitedMs += LOOK_EVERY_MS) {
      const held = storage.getItem(key);
      if (held === null || Number.parseFloat(held) <= now()) {
        mine = `${now() + LEASE_MS}.${random()}`;
        storage.setItem(key, mine);
        // Two may have seen it free in the same moment; the last to write has it.
        await pause(LOOK_EVERY_MS / 2);
        if (storage.getItem(key) === mine) break;
      }
      await pause(LOOK_EVERY_MS);
    }
    try {
      return await work();
    } finally {
      if (storage?.getItem(key) === mine) storage.removeItem(key);
    }
  };
}
