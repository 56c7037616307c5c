/** What a `Map` does, as far as it is needed. */
export interface PassingMap<K, V> {
  get(key: K): V | undefined;
  has(key: K): boolean;
  set(key: K, value: V): void;
  delete(key: K): void;
  /** A copy. */
  values(): V[];
}

/**
 * A map for what stays a moment and is large: turns under way, open streams. V8 makes the table of a `Map`
 * anew again and again as entries come and go, and the one before keeps what it held and points to the
 * next. Once one of them is in the old part of the heap, collections of the young part take the whole chain
 * for alive, so all that ever stood in one of them lasts, with whatever it leads to, until all is
 * collected. Here a table holds boxes, which are emptied as their entry goes.
 */
export function createPassingMap<K, V>(): PassingMap<K, V> {
  const boxes = new Map<K, { value: V | undefined }>();
  return {
    get: (key) => boxes.get(key)?.value,
    has: (key) => boxes.has(key),
    set(key, value) {
      const box = boxes.get(key);
      if (box) box.value = value;
      else boxes.set(key, { value });
    },
    delete(key) {
      const box = boxes.get(key);
      if (!box) return;
      box.value = undefined;
      boxes.delete(key);
    },
    values: () => [...boxes.values()].map((box) => box.value as V),
  };
}
