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
  /** Who runs it at once, if anyone. */
  claim: NewSend["claim"];
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
export function createReplies({ db, step, recent }: StoreFile) {
  const insertRow = change(
    db,
    `INSERT INTO messages (conversation_id, seq, id, parent_seq, parent_id, sibling_index, role, status,
       created_at, character_id, turn_id, character_version, request_key, turn_status, claim_epoch, attempts,
       owner, lease_until, started_at)
     VALUES (?, ?, ?, ?, ?, ?, 'assistant', 'pending', ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
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
    const { conversationId, seq, parent, siblingIndex, turn, requestKey, claim } = reply;
    const claims = claim ? 1 : 0;
    const turnStatus = claim ? "running" : "queued";
    const owner = claim?.owner ?? null;
    const leaseUntil = claim?.leaseUntil ?? null;
    const startedAt = claim ? reply.at : null;
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
      turnStatus,
      claims,
      claims,
      owner,
      leaseUntil,
      startedAt,
    );
    const row: ReplyRow = {
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
      turn_status: turnStatus,
      claim_epoch: claims,
      attempts: claims,
      owner,
      lease_until: leaseUntil,
      stop_requested_at: null,
      started_at: startedAt,
      ended_at: null,
      character_version: turn.characterVersion,
      problem: null,
    };
    recent.placed(row, 1);
    return row;
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
          claim: null,
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
