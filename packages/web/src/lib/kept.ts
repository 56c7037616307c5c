/** What the browser keeps for this page between visits; where it keeps nothing, the page works all the same. */
export interface Kept {
  /** Undefined where nothing was kept, or nothing readable. */
  read<T>(name: string): T | undefined;
  /** Undefined drops it. */
  write(name: string, value: unknown): void;
  /** Everything that is kept under a name that begins so. */
  names(beginning: string): string[];
}

export type TextStorage = Pick<Storage, "getItem" | "setItem" | "removeItem" | "key" | "length">;

/** @param prefix keeps people who share a browser apart */
export function createKept(storage: TextStorage | undefined, prefix: string): Kept {
  return {
    read<T>(name: string) {
      try {
        const text = storage?.getItem(prefix + name);
        return text ? (JSON.parse(text) as T) : undefined;
      } catch {
        return undefined;
      }
    },
    write(name, value) {
      try {
        if (value === undefined) storage?.removeItem(prefix + name);
        else storage?.setItem(prefix + name, JSON.stringify(value));
      } catch {
        // Full or forbidden: what is on the screen stays there.
      }
    },
    names(beginning) {
      const all = Array.from({ length: storage?.length ?? 0 }, (_, index) => storage?.key(index) ?? "");
      return all
        .filter((name) => name.startsWith(prefix + beginning))
        .map((name) => name.slice(prefix.length));
    },
  };
}

/** The browser's storage, unless it is switched off. */
export function browserStorage(): TextStorage | undefined {
  try {
    return globalThis.localStorage;
  } catch {
    return undefined;
  }
}
