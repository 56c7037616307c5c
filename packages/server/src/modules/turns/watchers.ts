import { createPassingMap } from "../../kit/passing-map.ts";
import type { TurnLog } from "./turn-log.ts";

export type TurnWatcher = (log: TurnLog) => void;

/** Who wants to hear of the turns of a conversation, and which of them are under way. */
export function createWatchers() {
  const watchers = new Map<string, Set<TurnWatcher>>();
  const underWay = createPassingMap<string, readonly TurnLog[]>();

  const logsOf = (id: string): readonly TurnLog[] => underWay.get(id) ?? [];
  const ended = (log: TurnLog) => {
    const rest = logsOf(log.conversationId).filter((other) => other !== log);
    if (rest.length === 0) underWay.delete(log.conversationId);
    else underWay.set(log.conversationId, rest);
  };

  return {
    /** A turn has its first event, which may be its last. */
    started(log: TurnLog) {
      const id = log.conversationId;
      if (!log.isEnded()) {
        underWay.set(id, [...logsOf(id), log]);
        void log.ended.then(() => ended(log));
      }
      for (const watcher of watchers.get(id) ?? []) watcher(log);
    },
    underWay: (conversationId: string): TurnLog[] => logsOf(conversationId).filter((log) => !log.isEnded()),
    watch(conversationId: string, watcher: TurnWatcher): () => void {
      add(watchers, conversationId, watcher);
      return () => remove(watchers, conversationId, watcher);
    },
  };
}

function add<T>(sets: Map<string, Set<T>>, key: string, value: T): void {
  const set = sets.get(key);
  if (set) set.add(value);
  else sets.set(key, new Set([value]));
}

function remove<T>(sets: Map<string, Set<T>>, key: string, value: T): void {
  const set = sets.get(key);
  set?.delete(value);
  if (set?.size === 0) sets.delete(key);
}
