import type { Clock } from "../../kit/clock.ts";
import type { Kv } from "./kv.ts";

const KEY_LENGTH_MAX = 512;
const VALUE_BYTES_MAX = 65_536;

interface Entry {
  readonly key: string;
  value: string;
  /** On the monotonic clock, so that a jump of the wall time ends nothing early. */
  readonly expiresAt: number;
}

/**
 * The embedded store of small values: memory of this process. Past `keysMax` keys (100,000 unless told
 * otherwise) the one that was set first makes room: what was set just now, for a short time, is needed most.
 */
export function createMemoryKv({ clock, keysMax = 100_000 }: { clock: Clock; keysMax?: number }): Kv {
  const entries = new Map<string, Entry>();
  let byExpiry: Entry[] = [];
  let byAge: Entry[] = [];
  let oldestAt = 0;

  const isCurrent = (entry: Entry) => entries.get(entry.key) === entry;

  function makeRoom() {
    const now = clock.monotonic();
    for (let first = byExpiry[0]; first; first = byExpiry[0]) {
      if (isCurrent(first)) {
        if (first.expiresAt > now) break;
        entries.delete(first.key);
      }
      popFirst(byExpiry);
    }
    while (entries.size > keysMax) {
      const oldest = byAge[oldestAt++] as Entry;
      if (isCurrent(oldest)) entries.delete(oldest.key);
    }
    // Entries that are overwritten, deleted or expired stay in both until they surface; rebuilding caps them.
    if (byExpiry.length + byAge.length > 4 * entries.size + 128) {
      byAge = [...entries.values()];
      oldestAt = 0;
      byExpiry = byAge.toSorted((a, b) => a.expiresAt - b.expiresAt);
    }
  }

  function find(key: string): Entry | undefined {
    const entry = entries.get(key);
    if (entry === undefined || entry.expiresAt > clock.monotonic()) return entry;
    entries.delete(key);
    return undefined;
  }

  function put(key: string, value: string, ttlMs: number): Entry {
    check(key, value);
    const entry = { key, value, expiresAt: clock.monotonic() + ttlMs };
    // A map is in the order in which its keys came to be.
    entries.delete(key);
    entries.set(key, entry);
    byAge.push(entry);
    push(byExpiry, entry);
    makeRoom();
    return entry;
  }

  function count(key: string, by: number, windowMs: number) {
    let entry = find(key);
    if (entry === undefined) {
      if (by <= 0) return { count: 0, resetMs: 0 };
      entry = put(key, "0", windowMs);
    }
    const before = Number(entry.value);
    if (!Number.isSafeInteger(before)) throw new Error("this key holds a text, not a counter");
    const after = Math.max(0, before + by);
    entry.value = String(after);
    return { count: after, resetMs: entry.expiresAt - clock.monotonic() };
  }

  return {
    name: "memory",
    get: async (key) => find(key)?.value ?? null,
    set: async (key, value, ttlMs) => void put(key, value, ttlMs),
    async setIfAbsent(key, value, ttlMs) {
      if (find(key)) return false;
      put(key, value, ttlMs);
      return true;
    },
    async take(key) {
      const value = find(key)?.value ?? null;
      entries.delete(key);
      return value;
    },
    delete: async (key) => void entries.delete(key),
    count: async (key, by, windowMs) => count(key, by, windowMs),
    async close() {
      entries.clear();
      byExpiry = [];
      byAge = [];
      oldestAt = 0;
    },
  };
}

function check(key: string, value: string) {
  if (key.length > KEY_LENGTH_MAX) throw new Error(`a key holds at most ${KEY_LENGTH_MAX} characters`);
  if (Buffer.byteLength(value) > VALUE_BYTES_MAX) {
    throw new Error(`a value holds at most ${VALUE_BYTES_MAX} bytes`);
  }
}

/** Adds to a binary heap whose first is the soonest to expire. */
function push(heap: Entry[], entry: Entry) {
  let at = heap.length;
  while (at > 0) {
    const above = (at - 1) >> 1;
    const parent = heap[above] as Entry;
    if (parent.expiresAt <= entry.expiresAt) break;
    heap[at] = parent;
    at = above;
  }
  heap[at] = entry;
}

function popFirst(heap: Entry[]) {
  const last = heap.pop();
  if (last === undefined || heap.length === 0) return;
  let at = 0;
  for (;;) {
    let below = 2 * at + 1;
    let child = heap[below];
    if (child === undefined) break;
    const right = heap[below + 1];
    if (right !== undefined && right.expiresAt < child.expiresAt) {
      child = right;
      below += 1;
    }
    if (child.expiresAt >= last.expiresAt) break;
    heap[at] = child;
    at = below;
  }
  heap[at] = last;
}
