import { type ConversationEvent, Problem, type Realtime, type RealtimeState } from "@parley-chat/sdk";
import type { Conversations } from "../stores/conversations.ts";
import { type Sentence, sentenceOf } from "./sentence.ts";
import { createStore, type Store } from "./store.ts";

/** What happens on the server, as it happens. */
export interface Live {
  readonly state: Store<RealtimeState>;
  /** Why what is on the screen does not go on by itself, where the server refuses that for good. */
  readonly trouble: Store<Sentence | null>;
  /**
   * Hears of a conversation, over all breaks; `resumed` means that what happened before is in the list.
   * Returns the function that ends it.
   */
  follow(conversationId: string, listener: (event: ConversationEvent) => void): () => void;
  close(): void;
}

/** One socket for the page; keeps the list of conversations as it is on the server. */
export function createLive(uses: {
  realtime: Realtime;
  conversations: Pick<Conversations, "load" | "heard" | "gone">;
}): Live {
  const { realtime, conversations } = uses;
  const state = createStore<RealtimeState>(realtime.state);
  const trouble = createStore<Sentence | null>(null);
  realtime.onState((next) => {
    state.set(next);
    trouble.set(null);
    // What happened to other conversations while nobody listened was not told.
    // A refused credential is for the session to find out, which it does with any call.
    if (next === "open" || next === "refused") void conversations.load();
  });
  realtime.on((frame) => {
    if (frame.type === "conversation.created" || frame.type === "conversation.updated") {
      conversations.heard(frame.conversation);
    }
    if (frame.type === "conversation.deleted") conversations.gone(frame.conversation.id);
    if (frame.type === "error") {
      const problem = Problem.fromDocument(frame.problem);
      if (!problem.retryable) trouble.set(sentenceOf(problem));
    }
  });
  return {
    state,
    trouble,
    follow(conversationId, listener) {
      const stop = realtime.subscribe(conversationId, listener);
      return () => {
        stop();
        // It was of what is no longer on the screen.
        trouble.set(null);
      };
    },
    close: realtime.close,
  };
}
