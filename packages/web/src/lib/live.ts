import { type Client, type ConversationEvent, createRealtime, type RealtimeState } from "@parley-chat/sdk";
import type { Conversations } from "../stores/conversations.ts";
import { createStore, type Store } from "./store.ts";

/** What happens on the server, as it happens. */
export interface Live {
  readonly state: Store<RealtimeState>;
  /**
   * Hears of a conversation, over all breaks; `resumed` means that what happened before is in the list.
   * Returns the function that ends it.
   */
  follow(conversationId: string, listener: (event: ConversationEvent) => void): () => void;
  close(): void;
}

/** One socket for the page; keeps the list of conversations as it is on the server. */
export function createLive(uses: { client: Client; baseUrl: string; conversations: Conversations }): Live {
  const { client, baseUrl, conversations } = uses;
  const realtime = createRealtime({ client, baseUrl });
  const state = createStore<RealtimeState>(realtime.state);
  realtime.onState((next) => {
    state.set(next);
    // What happened to other conversations while nobody listened was not told.
    // A refused credential is for the session to find out, which it does with any call.
    if (next === "open" || next === "refused") void conversations.load();
  });
  realtime.on((frame) => {
    if (frame.type === "conversation.created" || frame.type === "conversation.updated") {
      conversations.heard(frame.conversation);
    }
    if (frame.type === "conversation.deleted") conversations.gone(frame.conversation.id);
  });
  return { state, follow: realtime.subscribe, close: realtime.close };
}
