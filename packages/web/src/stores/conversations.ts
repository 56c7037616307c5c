import { type Client, type Conversation, type ConversationSettings, Problem } from "@parley-chat/sdk";
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

const sorted = (items: readonly Conversation[]): Conversation[] =>
  items.toSorted((a, b) => (a.updated_at === b.updated_at ? 0 : a.updated_at < b.updated_at ? 1 : -1));

export function createConversations({ client }: { client: Client }): Conversations {
  const list = createStore<ConversationList>({ items: [], next: null, status: "loading" });

  function heard(conversation: Conversation) {
    if (conversation.status === "deleted") return gone(conversation.id);
    list.set((old) => {
      const others = old.items.filter(({ id }) => id !== conversation.id);
      return { ...old, items: sorted([...others, conversation]) };
    });
  }

  const gone = (id: string) =>
    list.set((old) => ({ ...old, items: old.items.filter((one) => one.id !== id) }));

  /** Joins what the server answered to what is here; what was heard since it was asked is as new as the answer. */
  function joined(page: readonly Conversation[], known: ConversationList, asked: ConversationList) {
    const atAsking = new Map(asked.items.map((one) => [one.id, one]));
    const now = new Map(known.items.map((one) => [one.id, one]));
    const isGone = (id: string) => atAsking.has(id) && !now.has(id);
    const items = page.flatMap((one) => {
      const here = now.get(one.id);
      if (!here) return isGone(one.id) ? [] : one;
      const isNews = here !== atAsking.get(one.id);
      return here.updated_at > one.updated_at || (isNews && here.updated_at === one.updated_at) ? here : one;
    });
    const answered = new Set(page.map(({ id }) => id));
    const others = known.items.filter(({ id }) => !answered.has(id));
    return { items, others, isNews: (one: Conversation) => atAsking.get(one.id) !== one };
  }

  return {
    list,
    heard,
    gone,
    async load() {
      const asked = list.get();
      try {
        const page = await client.conversations.list({ limit: PAGE });
        list.set((old) => {
          const { items, others, isNews } = joined(page.items, old, asked);
          // Where the page is the whole list, what is not on it was deleted; else it may be beyond.
          const kept = page.next_cursor === null ? others.filter(isNews) : others;
          const isRead =
            old.status === "ready" && old.items.some(({ id }) => page.items.some((one) => one.id === id));
          const next = isRead && page.next_cursor !== null ? old.next : page.next_cursor;
          return { items: sorted([...items, ...kept]), next, status: "ready" };
        });
      } catch (error) {
        list.set((old) => ({ ...old, status: "failed", error }));
      }
    },
    async loadMore() {
      const asked = list.get();
      const { next } = asked;
      if (next === null) return;
      const page = await client.conversations.list({ limit: PAGE, cursor: next });
      list.set((old) => {
        const { items, others } = joined(page.items, old, asked);
        return { ...old, items: sorted([...others, ...items]), next: page.next_cursor };
      });
    },
    async refresh(id) {
      try {
        const conversation = await client.conversations.get({ conversation_id: id });
        heard(conversation);
        return conversation;
      } catch (error) {
        // Beyond the first page nothing else tells that it was deleted while nobody listened.
        if (error instanceof Problem && error.code === "not_found") gone(id);
        throw error;
      }
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
