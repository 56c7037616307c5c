import { useEffect } from "react";
import { useStore } from "../lib/store.ts";
import { useStores } from "../stores/stores.ts";

/** Tells the server how far a conversation was read, while it is in sight. */
export function useMarkRead(conversationId: string, newestSeq: number): void {
  const { conversations } = useStores();
  // Undefined until the conversation is read, which may be after its messages.
  const lastRead = useStore(conversations.list).items.find(({ id }) => id === conversationId)?.last_read_seq;
  useEffect(() => {
    if (lastRead === undefined || newestSeq <= lastRead) return;
    const mark = () => {
      if (document.hidden) return;
      // Not worth a word where it fails: the next message tries again.
      conversations.update(conversationId, { last_read_seq: newestSeq }).catch(() => {});
    };
    mark();
    document.addEventListener("visibilitychange", mark);
    return () => document.removeEventListener("visibilitychange", mark);
  }, [conversations, conversationId, newestSeq, lastRead]);
}
