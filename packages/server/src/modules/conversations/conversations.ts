import type { Api, Conversation, conversations, Message } from "@parley-chat/sdk/contract";
import { METADATA_BYTES_MAX } from "@parley-chat/sdk/contract";
import { Problem } from "@parley-chat/sdk/contract/problem";
import type { Clock } from "../../kit/clock.ts";
import { derivedId, isId } from "../../kit/ids.ts";
import { checkJsonSize } from "../../kit/json-size.ts";
import { sha256Hex } from "../../kit/text.ts";
import type { ConversationChanges, MessageStore } from "../../ports/message-store/message-store.ts";

/** What a conversation needs to know of its character. */
export interface Greeter {
  id: string;
  name: string;
  /** The greeting with its macros filled, null where it is empty; throws `validation_failed`. */
  greeting(index: number, userName: string): string | null;
}

export interface ConversationUses {
  store: MessageStore;
  clock: Clock;
  /** A character that this user may see and that is not deleted, or null. */
  greeter(characterId: string, userId: string): Promise<Greeter | null>;
  displayName(userId: string): Promise<string>;
  estimateTokens(text: string): number;
  stopTurns(conversationId: string, turnIds: readonly string[]): Promise<void>;
  /** Drops the answers that are kept about a conversation which was deleted. */
  forgetAnswers(conversationId: string): Promise<void>;
  /** Told after it was stored; of a deleted one what is left: no text. */
  onChange(what: "created" | "updated" | "deleted", conversation: Conversation, userId: string): void;
}

export interface Conversations extends Api<typeof conversations> {
  /** Deletes every conversation of a user, running turns stopped. */
  eraseOwnedBy(userId: string): Promise<void>;
  /** Everything a user has said and was told, deleted conversations left out; read as it is asked for. */
  exportOwnedBy(userId: string): AsyncIterable<Conversation & { messages: AsyncIterable<Message> }>;
}

const PAGE = 200;

export function createConversations(uses: ConversationUses): Conversations {
  const { store, clock } = uses;
  const missing = () => new Problem("not_found", "There is no such conversation.");

  async function* ownedBy(userId: string): AsyncGenerator<Conversation> {
    let cursor: string | null = null;
    do {
      const page = await store.listConversations({ userId, limit: PAGE, cursor });
      yield* page.items;
      cursor = page.nextCursor;
    } while (cursor !== null);
  }

  const remove = async (id: string, userId: string): Promise<boolean> => {
    const last = isId(id) ? await store.conversation(id, userId) : null;
    const deleted = await store.deleteConversation(id, userId, clock.now());
    try {
      await uses.stopTurns(id, deleted.openTurnIds);
    } finally {
      // A repeat finds it deleted, and tells nobody.
      if (last) uses.onChange("deleted", emptied(last), userId);
    }
    return deleted.wasThere;
  };

  async function* messagesOf(conversationId: string): AsyncGenerator<Message> {
    for (let hasMore = true, afterSeq = 0; hasMore; ) {
      const page = await store.page({
        conversationId,
        branch: "all",
        beforeSeq: null,
        afterSeq,
        limit: PAGE,
      });
      yield* page.items;
      afterSeq = page.items.at(-1)?.seq ?? afterSeq;
      hasMore = page.hasAfter && page.items.length > 0;
      // A page is read at once; those who stream get their turn between two.
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  return {
    async create(input, context) {
      const { userId } = context.principal;
      const [characterId, second] = input.character_ids;
      if (characterId === undefined || second !== undefined) throw new Problem("too_many_characters");
      checkJsonSize("metadata", input.metadata, METADATA_BYTES_MAX);
      const greeter = isId(characterId) ? await uses.greeter(characterId, userId) : null;
      if (!greeter) throw Problem.invalid("character_ids.0", "is not a character that you can see");
      const id = context.newId();
      const greeting = greeter.greeting(input.greeting_index ?? 0, await uses.displayName(userId));
      const { conversation, isNew } = await store.createConversation({
        id,
        userId,
        characterId,
        title: input.title ?? greeter.name,
        settings: input.settings ?? {},
        metadata: input.metadata ?? {},
        tags: input.tags ?? [],
        greeting:
          greeting === null
            ? null
            : {
                id: derivedId("greeting", id),
                content: greeting,
                contentHash: sha256Hex(greeting),
                tokenCount: uses.estimateTokens(greeting),
              },
        at: clock.now(),
      });
      if (isNew) uses.onChange("created", conversation, userId);
      return conversation;
    },

    async list(input, context) {
      const page = await store.listConversations({
        userId: context.principal.userId,
        limit: input.limit ?? 50,
        cursor: input.cursor ?? null,
      });
      return { items: page.items, next_cursor: page.nextCursor };
    },

    async get({ conversation_id }, context) {
      const conversation = await store.conversation(conversation_id, context.principal.userId);
      if (!conversation) throw missing();
      return conversation;
    },

    async update({ conversation_id, ...changes }, context) {
      checkJsonSize("metadata", changes.metadata, METADATA_BYTES_MAX);
      if (changes.head_id !== undefined && !isId(changes.head_id)) throw noHead();
      const { userId } = context.principal;
      const updated = await store.updateConversation(
        conversation_id,
        userId,
        changesOf(changes),
        clock.now(),
      );
      if (updated === "not_found") throw missing();
      if (updated === "no_message") throw noHead();
      uses.onChange("updated", updated, userId);
      return updated;
    },

    async remove({ conversation_id }, context) {
      if (!(await remove(conversation_id, context.principal.userId))) throw missing();
      await uses.forgetAnswers(conversation_id);
    },

    async eraseOwnedBy(userId) {
      for await (const { id } of ownedBy(userId)) await remove(id, userId);
    },

    async *exportOwnedBy(userId) {
      for await (const conversation of ownedBy(userId)) {
        yield { ...conversation, messages: messagesOf(conversation.id) };
      }
    },
  };
}

/** A deleted conversation as its erasure leaves it. */
const emptied = (conversation: Conversation): Conversation => ({
  ...conversation,
  title: "",
  status: "deleted",
  head_id: null,
  active_turn_id: null,
  settings: {},
  metadata: {},
  tags: [],
});

const noHead = () => Problem.invalid("head_id", "is not a message of this conversation");

type UpdateInput = Omit<Parameters<Conversations["update"]>[0], "conversation_id">;

function changesOf(input: UpdateInput): ConversationChanges {
  const { head_id, last_read_seq, ...same } = input;
  return {
    ...same,
    ...(head_id !== undefined && { headId: head_id }),
    ...(last_read_seq !== undefined && { lastReadSeq: last_read_seq }),
  };
}
