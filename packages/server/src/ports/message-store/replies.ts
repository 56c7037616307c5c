import { change, manyRows, oneRow, type StoreFile } from "./file.ts";
import type { NewSend } from "./message-store.ts";
import { REPLY_COLUMNS, type ReplyRow } from "./rows.ts";

type NewTurn = NonNullable<NewSend["turn"]>;

/** Where a reply goes, and for which turn. */
export interface NewReply {
  conversationId: string;
  seq: number;
  parent: { seq: number; id: string };
  siblingIndex: number;
  turn: NewTurn;
  requestKey: string | null;
  at: number;
}

interface OwedRow {
  conversation_id: string;
  seq: number;
  id: string;
  created_at: number;
  reply_owed: string;
}

const REPLIES_PER_REPAIR = 100;

export type Replies = ReturnType<typeof createReplies>;

/** The places of replies, and their recreation where a send was cut between its two rows. */
export function createReplies({ db, step }: StoreFile) {
  const insertRow = change(
    db,
    `INSERT INTO messages (conversation_id, seq, id, parent_seq, parent_id, sibling_index, role, status,
       created_at, character_id, turn_id, turn_status, character_version, request_key)
     VALUES (?, ?, ?, ?, ?, ?, 'assistant', 'pending', ?, ?, ?, 'queued', ?, ?)`,
  );
  const clearOwed = change(db, "UPDATE messages SET reply_owed = NULL WHERE conversation_id = ? AND seq = ?");
  const owedIn = manyRows<OwedRow>(
    db,
    `SELECT conversation_id, seq, id, created_at, reply_owed FROM messages INDEXED BY messages_owed
     WHERE conversation_id = ? AND reply_owed IS NOT NULL`,
  );
  const owedAnywhere = manyRows<OwedRow>(
    db,
    `SELECT conversation_id, seq, id, created_at, reply_owed FROM messages INDEXED BY messages_owed
     WHERE reply_owed IS NOT NULL LIMIT ?`,
  );
  const at = oneRow<ReplyRow>(
    db,
    `SELECT ${REPLY_COLUMNS} FROM messages m WHERE m.conversation_id = ? AND m.seq = ?`,
  );

  /** The row as it was inserted, for an answer that need not read it again. */
  function insert(reply: NewReply): ReplyRow {
    const { conversationId, seq, parent, siblingIndex, turn, requestKey } = reply;
    insertRow(
      conversationId,
      seq,
      turn.replyId,
      parent.seq,
      parent.id,
      siblingIndex,
      reply.at,
      turn.characterId,
      turn.id,
      turn.characterVersion,
      requestKey,
    );
    return {
      conversation_id: conversationId,
      seq,
      id: turn.replyId,
      parent_seq: parent.seq,
      parent_id: parent.id,
      sibling_index: siblingIndex,
      role: "assistant",
      status: "pending",
      token_count: 0,
      created_at: reply.at,
      deleted_at: null,
      user_id: null,
      character_id: turn.characterId,
      client_message_id: null,
      turn_id: turn.id,
      finish_reason: null,
      usage: null,
      metadata: "{}",
      content: "",
      turn_status: "queued",
      claim_epoch: 0,
      attempts: 0,
      owner: null,
      lease_until: null,
      stop_requested_at: null,
      started_at: null,
      ended_at: null,
      character_version: turn.characterVersion,
      problem: null,
    };
  }

  function recreate(rows: readonly OwedRow[]): number {
    let recreated = 0;
    for (const owed of rows) {
      const seq = owed.seq + 1;
      if (!at(owed.conversation_id, seq)) {
        insert({
          conversationId: owed.conversation_id,
          seq,
          parent: owed,
          siblingIndex: 0,
          turn: JSON.parse(owed.reply_owed) as NewTurn,
          requestKey: null,
          at: owed.created_at,
        });
        step("repair.reply");
        recreated++;
      }
      clearOwed(owed.conversation_id, owed.seq);
      step("repair.clear");
    }
    return recreated;
  }

  return {
    insert,
    /** The message's row keeps what its turn needs until the reply is there. */
    owed: (turn: NewTurn): string => JSON.stringify(turn),
    clearOwed,
    at,
    /** Recreates what a cut send left out in one conversation. */
    repairIn: (conversationId: string): number => recreate(owedIn(conversationId)),
    repairSome(): { recreated: number; hasMore: boolean } {
      const rows = owedAnywhere(REPLIES_PER_REPAIR);
      return { recreated: recreate(rows), hasMore: rows.length === REPLIES_PER_REPAIR };
    },
  };
}
