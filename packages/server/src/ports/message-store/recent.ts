import type { Conversation, ConversationSettings } from "@parley-chat/sdk/contract";
import { recentMap } from "../../kit/recent-map.ts";
import { oneRow, type StoreFile } from "./file.ts";
import { type MessageRow, parseSettings, type ReplyRow } from "./rows.ts";

const CONVERSATIONS_MAX = 10_000;
const TURNS_MAX = 5_000;

export interface Place {
  readonly seq: number;
  readonly id: string;
  readonly places: number;
}

/** What the places of a conversation come to. */
export interface Shape {
  newest: Place | undefined;
  /** Every place follows its parent directly: there are no branches, and nobody has siblings. */
  isStraight: boolean;
  /** Turns that have not ended. */
  openTurns: number;
}

/** What a send and its turn need to know of a conversation. */
export interface KnownConversation {
  readonly userId: string;
  readonly status: Conversation["status"];
  readonly characterId: string | null;
  readonly settings: ConversationSettings;
  readonly head_seq: number | null;
  readonly head_chosen_at_seq: number | null;
  /** Null until it was asked for. */
  shape: Shape | null;
}

/** A turn that has not ended: its reply's row, that of the message it answers, and its conversation. */
export interface OpenTurnRows {
  readonly reply: ReplyRow;
  readonly message: MessageRow;
  readonly conversation: KnownConversation;
}

export type Recent = ReturnType<typeof createRecent>;

/**
 * What was read or written last, kept so that it need not be read again. There is one writer, so it is
 * true as long as each change is noted here: a new place and the end of a turn in place, all else by
 * forgetting. What is rolled back takes everything with it. Nothing is kept where steps commit by
 * themselves, for those can be cut.
 */
export function createRecent({ db, isStepwise }: Pick<StoreFile, "db" | "isStepwise">) {
  const conversationRow = oneRow<{
    user_id: string;
    status: Conversation["status"];
    settings: string;
    head_seq: number | null;
    head_chosen_at_seq: number | null;
    character_id: string | null;
  }>(
    db,
    `SELECT user_id, status, settings, head_seq, head_chosen_at_seq,
       (SELECT participant_id FROM participants WHERE conversation_id = c.id AND kind = 'character')
         AS character_id
     FROM conversations c WHERE id = ?`,
  );
  const newestRow = oneRow<Place>(
    db,
    "SELECT seq, id, places FROM messages WHERE conversation_id = ? ORDER BY seq DESC LIMIT 1",
  );
  const openTurns = oneRow<{ n: number }>(
    db,
    `SELECT count(*) AS n FROM messages INDEXED BY messages_pending
     WHERE conversation_id = ? AND status = 'pending'`,
  );
  const anyJump = oneRow<{ seq: number }>(
    db,
    `SELECT seq FROM messages INDEXED BY messages_jumps
     WHERE conversation_id = ? AND parent_seq <> seq - 1 LIMIT 1`,
  );
  const stale = new WeakSet<KnownConversation>();
  const conversations = recentMap<string, KnownConversation>(
    CONVERSATIONS_MAX,
    (known) => void stale.add(known),
  );
  const turns = recentMap<string, OpenTurnRows>(TURNS_MAX);

  const readShape = (id: string): Shape => ({
    newest: newestRow(id),
    isStraight: anyJump(id) === undefined,
    openTurns: openTurns(id)?.n ?? 0,
  });

  function conversation(id: string): KnownConversation | undefined {
    const kept = conversations.get(id);
    if (kept) return kept;
    const row = conversationRow(id);
    if (!row) return undefined;
    const known: KnownConversation = {
      userId: row.user_id,
      status: row.status,
      characterId: row.character_id,
      settings: parseSettings(row.settings),
      head_seq: row.head_seq,
      head_chosen_at_seq: row.head_chosen_at_seq,
      shape: null,
    };
    if (!isStepwise) conversations.set(id, known);
    return known;
  }

  return {
    /** Undefined where there is none; deleted ones and those of others are there. */
    conversation,
    /** Also while a conversation is being made, and has no row yet. */
    shape(conversationId: string): Shape {
      const known = conversation(conversationId);
      if (!known) return readShape(conversationId);
      known.shape ??= readShape(conversationId);
      return known.shape;
    },
    /** A row was inserted at the newest place. */
    placed(
      row: Pick<MessageRow, "conversation_id" | "seq" | "id" | "parent_seq" | "status">,
      places: number,
    ) {
      const shape = conversations.get(row.conversation_id)?.shape;
      if (!shape) return;
      shape.newest = { seq: row.seq, id: row.id, places };
      if (row.parent_seq !== row.seq - 1) shape.isStraight = false;
      if (row.status === "pending") shape.openTurns++;
    },
    /** The rows of a turn that has not ended. A claim changes the reply's in place. */
    turn(turnId: string): OpenTurnRows | undefined {
      const kept = turns.get(turnId);
      return kept && !stale.has(kept.conversation) ? kept : undefined;
    },
    keepTurn(reply: ReplyRow, message: MessageRow) {
      const known = conversations.get(reply.conversation_id);
      if (known) turns.set(reply.turn_id as string, { reply, message, conversation: known });
    },
    forgetTurn: (turnId: string) => void turns.delete(turnId),
    ended(turnId: string, conversationId: string) {
      turns.delete(turnId);
      const shape = conversations.get(conversationId)?.shape;
      if (shape) shape.openTurns--;
    },
    /** The conversation, its places or its turns were changed otherwise. */
    forget: (conversationId: string) => void conversations.delete(conversationId),
    forgetAll() {
      conversations.clear();
      turns.clear();
    },
  };
}
