/** Does `work` while no other tab of this browser does work under the same name. */
export type TabLock = <T>(name: string, work: () => Promise<T>) => Promise<T>;

const LEASE_MS = 10_000;
const LOOK_EVERY_MS = 50;

/**
 * By the browser's own locks; pages that came by plain http from the home network have none, so there a
 * lease in storage stands in, which runs out by itself where a tab was closed in the midst.
 */
export function browserTabLock(
  storage: Pick<Storage, "getItem" | "setItem" | "removeItem"> | undefined,
): TabLock {
  if (navigator.locks) return (name, work) => navigator.locks.request(name, work) as ReturnType<typeof work>;
  return async (name, work) => {
    const mine = `${Date.now() + LEASE_MS}.${Math.random()}`;
    const key = `parley.lock.${name}`;
    const isHeldByOther = () => {
      const held = storage?.getItem(key);
      return held != null && held !== mine && Number.parseFloat(held) > Date.now();
    };
    for (let looks = 0; looks < LEASE_MS / LOOK_EVERY_MS; looks++) {
      if (!isHeldByOther()) {
        storage?.setItem(key, mine);
        // Two may have seen it free in the same moment; the last to write has it.
        await pause(LOOK_EVERY_MS / 2);
        if (!storage || storage.getItem(key) === mine) break;
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

const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));
