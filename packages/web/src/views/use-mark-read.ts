import { useEffect } from "react";
import { useStores } from "../stores/stores.ts";

/** Tells the server how far a conversation was read, while it is in sight. */
export function useMarkRead(conversationId: string, newestSeq: number): void {
  const { conversations } = useStores();
  useEffect(() => {
    const mark = () => {
      const known = conversations.list.get().items.find(({ id }) => id === conversationId);
      if (document.hidden || !known || newestSeq <= known.last_read_seq) return;
      // Not worth a word where it fails: the next message tries again.
      conversations.update(conversationId, { last_read_seq: newestSeq }).catch(() => {});
    };
    mark();
    document.addEventListener("visibilitychange", mark);
    return () => document.removeEventListener("visibilitychange", mark);
  }, [conversations, conversationId, newestSeq]);
}
