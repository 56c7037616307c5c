const LOOK_EVERY_MS = 5;

/** Far beyond what anything in these journeys takes, on a slow and busy machine too. */
export const LIMIT_MS = 100_000;

/**
 * Looks again and again until `look` gives something that is not null, undefined or false; rejects after
 * `limitMs` with what was awaited and the last error.
 */
export async function until<T>(
  what: string,
  look: () => T | Promise<T>,
  limitMs = LIMIT_MS,
): Promise<Exclude<T, null | undefined | false>> {
  const endsAt = performance.now() + limitMs;
  let last: unknown;
  do {
    try {
      const found = await look();
      if (found !== null && found !== undefined && found !== false) {
        return found as Exclude<T, null | undefined | false>;
      }
      last = undefined;
    } catch (error) {
      last = error;
    }
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
  } while (performance.now() < endsAt);
  throw new Error(`not within ${limitMs} ms: ${what}`, { cause: last });
}

/** Rejects where a promise does not settle in time, so that a hang fails with its name. */
export async function within<T>(what: string, promise: Promise<T>, limitMs = LIMIT_MS): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not within ${limitMs} ms: ${what}`)), limitMs);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
