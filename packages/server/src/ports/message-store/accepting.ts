import type { Message } from "@parley-chat/sdk/contract";
import { failpoint } from "../../kit/failpoint.ts";
import { change, oneRow, type StoreFile } from "./file.ts";
import type {
  Accepted,
  AcceptResult,
  MessageStore,
  NewRegeneration,
  NewSend,
  RegenerateResult,
} from "./message-store.ts";
import type { KnownConversation, Place } from "./recent.ts";
import type { Replies } from "./replies.ts";
import { type MessageRow, REPLY_COLUMNS, type ReplyRow, toMessage, toTurn } from "./rows.ts";
import type { Tree } from "./tree.ts";

type Accepting = Pick<MessageStore, "findAccepted" | "accept" | "acceptRegeneration">;

type KnownRow = ReplyRow & { places: number; content_hash: string | null; request_key: string | null };
interface Parent {
  seq: number;
  id: string | null;
}

const KNOWN_COLUMNS = `${REPLY_COLUMNS}, m.places, m.content_hash, m.request_key`;
const ROOT: Parent = { seq: 0, id: null };

/** How sends and regenerations are stored. */
export function createAccepting(file: StoreFile, tree: Tree, replies: Replies): Accepting {
  const { db, write, step, isStepwise, recent } = file;
  const byClientId = oneRow<KnownRow>(
    db,
    `SELECT ${KNOWN_COLUMNS} FROM messages m INDEXED BY messages_client
     WHERE m.conversation_id = ? AND m.client_message_id = ? ORDER BY m.seq LIMIT 1`,
  );
  const byRequestKey = oneRow<KnownRow>(
    db,
    `SELECT ${KNOWN_COLUMNS} FROM messages m INDEXED BY messages_request
     WHERE m.conversation_id = ? AND m.request_key = ? ORDER BY m.seq LIMIT 1`,
  );
  const knownAt = oneRow<KnownRow>(
    db,
    `SELECT ${KNOWN_COLUMNS} FROM messages m WHERE m.conversation_id = ? AND m.seq = ?`,
  );
  const byId = oneRow<KnownRow & { owner_id: string }>(
    db,
    `SELECT ${KNOWN_COLUMNS}, c.user_id AS owner_id FROM messages m
     JOIN conversations c ON c.id = m.conversation_id
     WHERE m.id = ? AND c.user_id = ? AND c.status <> 'deleted'`,
  );
  const seqOf = oneRow<{ seq: number }>(db, "SELECT seq FROM messages WHERE id = ? AND conversation_id = ?");
  const pendingBelow = oneRow<{ seq: number }>(
    db,
    `SELECT seq FROM messages INDEXED BY messages_pending
     WHERE conversation_id = ? AND status = 'pending' AND parent_seq = ? LIMIT 1`,
  );
  const insertMessage = change(
    db,
    `INSERT INTO messages (conversation_id, seq, id, parent_seq, parent_id, sibling_index, places, role,
       status, token_count, created_at, user_id, client_message_id, request_key, reply_owed, content_hash,
       turn_id, metadata, content)
     VALUES (?, ?, ?, ?, ?, ?, ?, 'user', 'complete', ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  );

  function find(conversationId: string, clientMessageId: string | null, requestKey: string | null) {
    const known =
      (clientMessageId !== null ? byClientId(conversationId, clientMessageId) : undefined) ??
      (requestKey !== null ? byRequestKey(conversationId, requestKey) : undefined);
    return known ? accepted(known) : null;
  }

  /** Null for a send that was cut: nobody heard of it. */
  function accepted(known: KnownRow): Accepted | null {
    const { conversation_id } = known;
    const newestSeq = tree.newestSeq(conversation_id);
    if (known.seq > newestSeq) return null;
    const isReply = known.turn_status !== null;
    const message = isReply ? (knownAt(conversation_id, known.parent_seq) as KnownRow) : known;
    const reply = isReply ? known : known.places === 2 ? replies.at(conversation_id, known.seq + 1) : null;
    const view = (row: MessageRow) =>
      toMessage(row, tree.siblingsCount(conversation_id, row.parent_seq, newestSeq));
    return {
      message: view(message),
      reply: reply ? view(reply) : null,
      turn: reply ? toTurn(reply) : null,
      contentHash: message.content_hash ?? "",
    };
  }

  function parentOf(
    { conversationId, parentId }: NewSend,
    conversation: KnownConversation,
    newest: Place | undefined,
  ): Parent | null {
    if (parentId === null || (parentId === undefined && !newest)) return ROOT;
    if (parentId !== undefined) {
      const named = seqOf(parentId, conversationId);
      return named ? { seq: named.seq, id: parentId } : null;
    }
    const seq = tree.headSeq(conversation, newest?.seq ?? 0);
    return { seq, id: seq === newest?.seq ? newest.id : tree.idAt(conversationId, seq) };
  }

  function accept(send: NewSend): AcceptResult {
    const { conversationId, userId, message, turn, at } = send;
    if (isStepwise) replies.repairIn(conversationId);
    const conversation = recent.conversation(conversationId);
    if (!conversation || conversation.userId !== userId || conversation.status === "deleted") {
      return { kind: "not_found" };
    }
    const { newest, openTurns } = recent.shape(conversationId);
    const seq = newest ? newest.seq + newest.places : 1;
    const known = find(conversationId, message.clientMessageId, message.requestKey);
    if (known) return { kind: "existing", ...known };
    const parent = parentOf(send, conversation, newest);
    if (!parent) return { kind: "no_parent" };
    const places = turn ? 2 : 1;
    if (seq + places - 1 > send.placesMax) return { kind: "full" };
    if (turn && openTurns >= send.openTurnsMax) return { kind: "busy" };
    const claim = openTurns === 0 ? send.claim : null;

    const siblingIndex = tree.nextSiblingIndex(conversationId, parent.seq, seq);
    const metadata = JSON.stringify(message.metadata);
    insertMessage(
      conversationId,
      seq,
      message.id,
      parent.seq,
      parent.id,
      siblingIndex,
      places,
      message.tokenCount,
      at,
      userId,
      message.clientMessageId,
      message.requestKey,
      // In one commit with its reply nothing can be owed.
      turn && isStepwise ? replies.owed(turn) : null,
      message.contentHash,
      turn?.id ?? null,
      metadata,
      message.content,
    );
    const row: MessageRow = {
      conversation_id: conversationId,
      seq,
      id: message.id,
      parent_seq: parent.seq,
      parent_id: parent.id,
      sibling_index: siblingIndex,
      role: "user",
      status: "complete",
      token_count: message.tokenCount,
      created_at: at,
      deleted_at: null,
      user_id: userId,
      character_id: null,
      client_message_id: message.clientMessageId,
      turn_id: turn?.id ?? null,
      finish_reason: null,
      usage: null,
      metadata,
      content: message.content,
    };
    recent.placed(row, places);
    step("accept.message");
    failpoint("k02");
    const reply = turn ? insertReply(send, turn, claim, seq) : null;
    file.touch(conversationId, userId, at);
    if (reply) recent.keepTurn(reply, row);
    const shown = {
      message: toMessage(row, siblingIndex + 1),
      reply: reply && toMessage(reply, 1),
      // Where it is claimed, that is so from the next moment on.
      turn: reply && toTurn({ ...reply, turn_status: "queued", started_at: null }),
    };
    const taken =
      reply && claim
        ? {
            message: shown.message,
            reply: shown.reply as Message,
            turn: toTurn(reply),
            epoch: reply.claim_epoch,
            userId,
            attempts: reply.attempts,
            isStopRequested: false,
            isConversationDeleted: false,
            settings: conversation.settings,
            characterId: reply.character_id as string,
          }
        : null;
    return { kind: "accepted", ...shown, contentHash: message.contentHash, claim: taken };
  }

  function insertReply(
    send: NewSend,
    turn: NonNullable<NewSend["turn"]>,
    claim: NewSend["claim"],
    messageSeq: number,
  ): ReplyRow {
    const { conversationId, message, at } = send;
    const reply = replies.insert({
      conversationId,
      seq: messageSeq + 1,
      parent: { seq: messageSeq, id: message.id },
      siblingIndex: 0,
      turn,
      claim,
      requestKey: null,
      at,
    });
    step("accept.reply");
    if (isStepwise) {
      replies.clearOwed(conversationId, messageSeq);
      step("accept.clear");
    }
    return reply;
  }

  function regenerate(input: NewRegeneration): RegenerateResult {
    const { messageId, userId, requestKey, turn, at } = input;
    const named = byId(messageId, userId);
    if (!named) return { kind: "not_found" };
    const conversationId = named.conversation_id;
    if (isStepwise) replies.repairIn(conversationId);
    const known = find(conversationId, null, requestKey);
    if (known?.reply && known.turn) return { kind: "existing", reply: known.reply, turn: known.turn };
    const parent = answeredBy(named);
    if (typeof parent === "string") return { kind: parent };
    // The named message is there, so there is a newest one.
    const { newest, openTurns } = recent.shape(conversationId);
    const seq = (newest as Place).seq + 1;
    if (seq > input.placesMax) return { kind: "full" };
    if (openTurns >= input.openTurnsMax) return { kind: "busy" };
    const siblingIndex = tree.nextSiblingIndex(conversationId, parent.seq, seq);
    const reply = replies.insert({
      conversationId,
      seq,
      parent,
      siblingIndex,
      turn,
      claim: null,
      requestKey,
      at,
    });
    step("regenerate.reply");
    file.touch(conversationId, userId, at);
    return { kind: "accepted", reply: toMessage(reply, siblingIndex + 1), turn: toTurn(reply) };
  }

  /** The message that another reply beside the named one, or below it, answers. */
  function answeredBy(named: KnownRow): { seq: number; id: string } | "not_regenerable" | "in_flight" {
    if (named.deleted_at !== null) return "not_regenerable";
    if (named.role === "user") {
      const isPending = pendingBelow(named.conversation_id, named.seq) !== undefined;
      return isPending ? "in_flight" : { seq: named.seq, id: named.id };
    }
    // A greeting has no turn, and answers nothing.
    if (named.turn_status === null || named.parent_id === null) return "not_regenerable";
    if (named.status === "pending") return "in_flight";
    const answered = knownAt(named.conversation_id, named.parent_seq);
    if (answered?.deleted_at !== null) return "not_regenerable";
    return { seq: named.parent_seq, id: named.parent_id };
  }

  return {
    async findAccepted(conversationId, { clientMessageId, requestKey }) {
      const conversation = recent.conversation(conversationId);
      if (!conversation || conversation.status === "deleted") return null;
      return find(conversationId, clientMessageId, requestKey);
    },
    accept: (send) => write(() => accept(send)),
    acceptRegeneration: (regeneration) => write(() => regenerate(regeneration)),
  };
}
