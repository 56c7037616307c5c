import { useSyncExternalStore } from "react";

/** A value that views watch. */
export interface Store<T> {
  get(): T;
  set(next: T | ((old: T) => T)): void;
  /** Returns the function that ends it. */
  subscribe(listener: () => void): () => void;
}

export function createStore<T>(initial: T): Store<T> {
  const listeners = new Set<() => void>();
  let value = initial;
  return {
    get: () => value,
    set(next) {
      const old = value;
      value = typeof next === "function" ? (next as (old: T) => T)(old) : next;
      if (Object.is(old, value)) return;
      for (const listener of [...listeners]) listener();
    },
    subscribe(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
  };
}

export const useStore = <T>(store: Store<T>): T => useSyncExternalStore(store.subscribe, store.get);
