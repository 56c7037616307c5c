export interface RetryBudget {
  /** Whether another attempt may be made now; counts it if so. */
  tryTake(): boolean;
  /** A call went well. */
  succeeded(): void;
}

/**
 * R9: calls that are repeated may be a tenth of those that go well, so that an outage is not met with
 * more load than health. A few are free at the start; what is saved up is capped.
 */
export function createRetryBudget({ share = 0.1, atStart = 3, max = 10 } = {}): RetryBudget {
  // In whole parts of a retry: tenths that add up must make a whole one.
  const parts = Math.round(1 / share);
  let saved = Math.min(atStart, max) * parts;
  return {
    tryTake() {
      if (saved < parts) return false;
      saved -= parts;
      return true;
    },
    succeeded() {
      saved = Math.min(max * parts, saved + 1);
    },
  };
}
