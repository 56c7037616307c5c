/**
 * Small values that may be lost: counters of limits, single-use tokens, hints. Nothing that a promise
 * rests on lives here alone. Keys are at most 512 characters, values at most 64 KiB. Every value has a
 * time to live; an expired value reads as missing. Each operation is atomic. A store that is out of
 * reach rejects; callers go on without it.
 */
export interface Kv {
  readonly name: string;
  /** The value, or null where there is none. */
  get(key: string): Promise<string | null>;
  set(key: string, value: string, ttlMs: number): Promise<void>;
  /** Sets only where nothing is; true when it did. */
  setIfAbsent(key: string, value: string, ttlMs: number): Promise<boolean>;
  /** Removes and returns the value in one step: of several takers one gets it. */
  take(key: string): Promise<string | null>;
  delete(key: string): Promise<void>;
  /**
   * Adds `by` (may be negative) to a counter; the first hit starts its window of `windowMs`, at whose
   * end it is missing again. A counter never falls below 0. Returns the count and what is left of the
   * window in milliseconds.
   */
  count(key: string, by: number, windowMs: number): Promise<{ count: number; resetMs: number }>;
  close(): Promise<void>;
}
