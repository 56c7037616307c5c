import { change, manyRows, oneRow, type StoreFile } from "./file.ts";
import type { MessageStore } from "./message-store.ts";
import type { Replies } from "./replies.ts";
import type { Tree } from "./tree.ts";

type Erasing = Pick<MessageStore, "deleteMessage" | "repair">;

/** What one repair takes out at most, beyond its first row: a few milliseconds. */
const ROWS_PER_REPAIR = 200;
const BYTES_PER_REPAIR = 512 * 1024;

interface ToErase {
  id: string;
  erased_seq: number;
}

/** How text goes: of one message at once, of a deleted conversation by and by. */
export function createErasing(file: StoreFile, tree: Tree, replies: Replies): Erasing {
  const { db, write, step, recent } = file;
  const byId = oneRow<{ conversation_id: string; seq: number; status: string; deleted_at: number | null }>(
    db,
    `SELECT m.conversation_id, m.seq, m.status, m.deleted_at
     FROM messages m JOIN conversations c ON c.id = m.conversation_id
     WHERE m.id = ? AND c.user_id = ? AND c.status <> 'deleted'`,
  );
  const pendingReply = oneRow<{ seq: number }>(
    db,
    `SELECT seq FROM messages INDEXED BY messages_pending
     WHERE conversation_id = ? AND status = 'pending' AND parent_seq = ? LIMIT 1`,
  );
  const bury = change(
    db,
    "UPDATE messages SET content = '', metadata = '{}', deleted_at = ? WHERE conversation_id = ? AND seq = ?",
  );
  const toErase = oneRow<ToErase>(
    db,
    `SELECT id, erased_seq FROM conversations INDEXED BY conversations_to_erase
     WHERE status = 'deleted' AND erased_at IS NULL ORDER BY deleted_at LIMIT 1`,
  );
  const sizesAbove = manyRows<{ seq: number; bytes: number }>(
    db,
    `SELECT seq, octet_length(content) + octet_length(metadata) AS bytes FROM messages
     WHERE conversation_id = ? AND seq > ? ORDER BY seq LIMIT ${ROWS_PER_REPAIR}`,
  );
  const eraseRows = change(
    db,
    "UPDATE messages SET content = '', metadata = '{}' WHERE conversation_id = ? AND seq BETWEEN ? AND ?",
  );
  const markErasedTo = change(db, "UPDATE conversations SET erased_seq = ? WHERE id = ?");
  const eraseConversation = change(
    db,
    `UPDATE conversations SET title = '', settings = '{}', tags = '[]', metadata = '{}', erased_at = deleted_at
     WHERE id = ?`,
  );

  function deleteMessage(id: string, userId: string, at: number): "deleted" | "in_flight" | "not_found" {
    const row = byId(id, userId);
    if (!row || row.seq > tree.newestSeq(row.conversation_id)) return "not_found";
    if (row.deleted_at !== null) return "deleted";
    const isInFlight = row.status === "pending" || pendingReply(row.conversation_id, row.seq) !== undefined;
    if (isInFlight) return "in_flight";
    bury(at, row.conversation_id, row.seq);
    step("delete_message.row");
    return "deleted";
  }

  /** The last place of the piece that begins above `from`. */
  function endOfPiece(conversationId: string, from: number): number {
    let to = from;
    let bytesLeft = BYTES_PER_REPAIR;
    for (const { seq, bytes } of sizesAbove(conversationId, from)) {
      bytesLeft -= bytes;
      if (bytesLeft < 0 && to > from) break;
      to = seq;
    }
    return to;
  }

  /** One piece of one conversation; true where there was one. Each step can be done again. */
  function eraseSome(): boolean {
    const conversation = toErase();
    if (!conversation) return false;
    const { id, erased_seq: from } = conversation;
    recent.forget(id);
    const newestSeq = tree.newestSeq(id);
    const to = endOfPiece(id, from);
    if (to > from) {
      eraseRows(id, from + 1, to);
      step("repair.erase_rows");
      markErasedTo(to, id);
      step("repair.mark_erased");
    }
    if (to >= newestSeq) {
      eraseConversation(id);
      step("repair.erase_conversation");
    }
    return true;
  }

  function repair(): { repliesRecreated: number; hasMore: boolean } {
    const { recreated, hasMore } = replies.repairSome();
    if (!hasMore) eraseSome();
    return { repliesRecreated: recreated, hasMore: hasMore || toErase() !== undefined };
  }

  return {
    deleteMessage: (id, userId, at) => write(() => deleteMessage(id, userId, at)),
    repair: () => write(repair),
  };
}
