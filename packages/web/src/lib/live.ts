import type { Client, TurnEvent } from "@parley-chat/sdk";
import { createStore, type Store } from "./store.ts";

export type LiveState = "connecting" | "open" | "fallback" | "offline" | "closed";

export interface Follower {
  /** A turn that was just begun here. */
  turn(turnId: string): void;
  stop(): void;
}

/** What happens on the server, as it happens. */
export interface Live {
  readonly state: Store<LiveState>;
  /** The events of whatever runs in a conversation, from its start. */
  follow(conversationId: string, listener: (event: TurnEvent) => void): Follower;
  close(): void;
}

/** Follows turns one by one over Server-Sent Events. */
export function createLive({ client }: { client: Client }): Live {
  const state = createStore<LiveState>("open");
  return {
    state,
    follow(conversationId, listener) {
      const ended = new AbortController();
      const followed = new Set<string>();
      const turn = async (turnId: string) => {
        if (followed.has(turnId)) return;
        followed.add(turnId);
        try {
          for await (const event of client.events(turnId, { signal: ended.signal, retriesMax: 100 }))
            listener(event);
        } catch {
          followed.delete(turnId);
        }
      };
      client.conversations.get({ conversation_id: conversationId }).then(
        ({ active_turn_id }) => (active_turn_id ? turn(active_turn_id) : undefined),
        () => {},
      );
      return { turn, stop: () => ended.abort() };
    },
    close() {},
  };
}
