import type { Client, Conversation, ConversationSettings } from "@parley-chat/sdk";
import { createStore, type Store } from "../lib/store.ts";

export interface ConversationList {
  readonly items: readonly Conversation[];
  readonly next: string | null;
  readonly status: "loading" | "ready" | "failed";
  readonly error?: unknown;
}

type Changes = Omit<Parameters<Client["conversations"]["update"]>[0], "conversation_id">;

/** One's conversations, by last activity: what the list beside the chat shows. */
export interface Conversations {
  readonly list: Store<ConversationList>;
  load(): Promise<void>;
  loadMore(): Promise<void>;
  /** Reads one anew. */
  refresh(id: string): Promise<Conversation>;
  create(
    characterId: string,
    more: { greetingIndex?: number; settings?: ConversationSettings },
  ): Promise<Conversation>;
  update(id: string, changes: Changes): Promise<void>;
  remove(id: string): Promise<void>;
  /** News of one, from wherever it comes. */
  heard(conversation: Conversation): void;
  gone(id: string): void;
}

const PAGE = 100;

export function createConversations({ client }: { client: Client }): Conversations {
  const list = createStore<ConversationList>({ items: [], next: null, status: "loading" });

  function heard(conversation: Conversation) {
    if (conversation.status === "deleted") return gone(conversation.id);
    list.set((old) => {
      const others = old.items.filter(({ id }) => id !== conversation.id);
      const items = [...others, conversation].sort((a, b) => (a.updated_at < b.updated_at ? 1 : -1));
      return { ...old, items };
    });
  }

  const gone = (id: string) =>
    list.set((old) => ({ ...old, items: old.items.filter((one) => one.id !== id) }));

  return {
    list,
    heard,
    gone,
    async load() {
      try {
        const { items, next_cursor } = await client.conversations.list({ limit: PAGE });
        list.set({ items, next: next_cursor, status: "ready" });
      } catch (error) {
        list.set((old) => ({ ...old, status: "failed", error }));
      }
    },
    async loadMore() {
      const { next } = list.get();
      if (next === null) return;
      const page = await client.conversations.list({ limit: PAGE, cursor: next });
      list.set((old) => {
        const known = new Set(old.items.map(({ id }) => id));
        const more = page.items.filter(({ id }) => !known.has(id));
        return { ...old, items: [...old.items, ...more], next: page.next_cursor };
      });
    },
    async refresh(id) {
      const conversation = await client.conversations.get({ conversation_id: id });
      heard(conversation);
      return conversation;
    },
    async create(characterId, { greetingIndex, settings }) {
      const conversation = await client.conversations.create({
        character_ids: [characterId],
        ...(greetingIndex !== undefined && { greeting_index: greetingIndex }),
        ...(settings && { settings }),
      });
      heard(conversation);
      return conversation;
    },
    async update(id, changes) {
      heard(await client.conversations.update({ conversation_id: id, ...changes }));
    },
    async remove(id) {
      await client.conversations.remove({ conversation_id: id });
      gone(id);
    },
  };
}
