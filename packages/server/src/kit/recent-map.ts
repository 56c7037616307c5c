import { LRUCache } from "lru-cache";

/**
 * Keeps the `max` entries that were used last. Told `max`, the library takes room for all of them at once, which
 * for 50,000 takes a start 10 ms and some megabytes; told of sizes, it takes room as they come.
 * @param onDropped told of each entry that has to go, is replaced or deleted
 */
export const recentMap = <K extends {}, V extends {}>(max: number, onDropped?: (value: V) => void) =>
  new LRUCache<K, V>({
    maxSize: max,
    sizeCalculation: () => 1,
    ...(onDropped && { dispose: (value) => onDropped(value) }),
  });
