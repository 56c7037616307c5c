import type { Kept } from "../lib/kept.ts";
import type { Sentence } from "../lib/sentence.ts";
import { createStore, type Store } from "../lib/store.ts";

/** A message on its way: kept by the browser until the server has it. */
export interface Outgoing {
  /** Its `client_message_id`: however often it is sent, it is stored once. */
  readonly id: string;
  /** When it was written, in milliseconds since 1970. */
  readonly at: number;
  readonly content: string;
  /** Of an edit: the parent of the message that it replaces, null where that was a first one. */
  readonly parent_id?: string | null;
  /** Why it has not gone out yet; where that passes, the next flush tries again. */
  readonly trouble?: Sentence;
}

export interface Outbox {
  readonly items: Store<readonly Outgoing[]>;
  add(item: Outgoing): void;
  /** Sends what waits, one after the other; returns when nothing can be sent now. */
  flush(): Promise<void>;
  /** Tries a message again that did not go out. */
  retry(id: string): Promise<void>;
  drop(id: string): void;
}

/**
 * Each message is kept under a name of its own: tabs that write at the same time must not lose what the
 * other one has.
 * @param uses.send resolves when the server has the message
 */
export function createOutbox(uses: {
  kept: Kept;
  prefix: string;
  send(item: Outgoing): Promise<void>;
  judge(error: unknown): Sentence;
}): Outbox {
  const { kept, prefix, send, judge } = uses;
  const items = createStore<readonly Outgoing[]>(
    kept
      .names(prefix)
      .flatMap((name) => kept.read<Outgoing>(name) ?? [])
      .sort((a, b) => a.at - b.at),
  );
  let flushing: Promise<void> | null = null;

  const change = (id: string, next: (item: Outgoing) => Outgoing | null) =>
    items.set((old) => old.flatMap((item) => (item.id === id ? (next(item) ?? []) : item)));

  const remove = (id: string) => {
    kept.write(prefix + id, undefined);
    change(id, () => null);
  };

  async function sendAll() {
    for (;;) {
      const item = items.get().find(({ trouble }) => !trouble || trouble.canRetry);
      if (!item) return;
      try {
        await send(item);
        remove(item.id);
      } catch (error) {
        const trouble = judge(error);
        change(item.id, (old) => ({ ...old, trouble }));
        // What comes after it must not overtake it.
        if (trouble.canRetry) return;
      }
    }
  }

  const flush = () => {
    flushing ??= sendAll().finally(() => {
      flushing = null;
    });
    return flushing;
  };

  return {
    items,
    add(item) {
      kept.write(prefix + item.id, item);
      items.set((old) => [...old, item]);
    },
    flush,
    async retry(id) {
      change(id, ({ trouble: _, ...item }) => item);
      await flushing;
      await flush();
    },
    drop: remove,
  };
}
