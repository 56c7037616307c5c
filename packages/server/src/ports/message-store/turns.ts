import type { Turn } from "@parley-chat/sdk/contract";
import { failpoint } from "../../kit/failpoint.ts";
import { change, manyRows, oneRow, type StoreFile } from "./file.ts";
import type { Claim, CompleteResult, MessageStore, Outcome, TurnState } from "./message-store.ts";
import type { KnownConversation, OpenTurnRows } from "./recent.ts";
import { type MessageRow, REPLY_COLUMNS, type ReplyRow, toMessage, toTurn } from "./rows.ts";
import type { Tree } from "./tree.ts";

type Turns = Pick<
  MessageStore,
  | "turn"
  | "turnState"
  | "activeTurnId"
  | "claim"
  | "nextAttempt"
  | "renew"
  | "complete"
  | "requestStop"
  | "openTurns"
>;

interface OpenRow {
  turn_id: string;
  conversation_id: string;
  character_id: string;
  seq: number;
}

/** The life of a turn, which is a reply's row: every change is one row, guarded by its epoch. */
export function createTurns({ db, write, step, recent }: StoreFile, tree: Tree): Turns {
  const turnRow = oneRow<ReplyRow>(
    db,
    `SELECT ${REPLY_COLUMNS} FROM messages m INDEXED BY messages_turn
     WHERE m.turn_id = ? AND m.turn_status IS NOT NULL`,
  );
  const oldestPending = oneRow<{ seq: number; turn_id: string }>(
    db,
    `SELECT seq, turn_id FROM messages INDEXED BY messages_pending
     WHERE conversation_id = ? AND status = 'pending' ORDER BY seq LIMIT 1`,
  );
  const conversationStatus = oneRow<{ status: string }>(db, "SELECT status FROM conversations WHERE id = ?");
  const open = manyRows<OpenRow>(
    db,
    `SELECT turn_id, conversation_id, character_id, seq FROM messages INDEXED BY messages_pending
     WHERE status = 'pending' AND (conversation_id, seq) > (?, ?) ORDER BY conversation_id, seq LIMIT ?`,
  );
  const takeRow = change(
    db,
    `UPDATE messages SET claim_epoch = claim_epoch + 1, attempts = ?, owner = ?, lease_until = ?,
       turn_status = ?, started_at = ?, character_version = ?
     WHERE conversation_id = ? AND seq = ? AND status = 'pending' AND claim_epoch = ?`,
  );
  const raiseRow = oneRow<{ claim_epoch: number; attempts: number }>(
    db,
    `UPDATE messages SET claim_epoch = claim_epoch + 1, attempts = attempts + 1
     WHERE turn_id = ? AND turn_status = 'running' AND status = 'pending' AND claim_epoch = ?
     RETURNING claim_epoch, attempts`,
  );
  const prolongRow = change(
    db,
    `UPDATE messages SET lease_until = ?
     WHERE turn_id = ? AND turn_status IS NOT NULL AND status = 'pending' AND claim_epoch = ?`,
  );
  const insertAttempt = change(
    db,
    `INSERT OR REPLACE INTO attempts (turn_id, epoch, provider, model, prompt_tokens, completion_tokens,
       started_at, first_text_at, ended_at, error) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  );
  const endRow = change(
    db,
    `UPDATE messages SET status = ?, turn_status = ?, content = ?, content_hash = ?, token_count = ?,
       finish_reason = ?, usage = ?, problem = ?, prompt_hash = ?, ended_at = ?, owner = NULL,
       lease_until = NULL
     WHERE conversation_id = ? AND seq = ? AND status = 'pending' AND claim_epoch = ?`,
  );
  const wishStop = change(
    db,
    "UPDATE messages SET stop_requested_at = ? WHERE conversation_id = ? AND seq = ? AND status = 'pending'",
  );

  const view = (row: MessageRow) => {
    const newestSeq = tree.newestSeq(row.conversation_id);
    return toMessage(row, tree.siblingsCount(row.conversation_id, row.parent_seq, newestSeq));
  };

  /** The rows of a turn, also of one that has ended. */
  function find(turnId: string): OpenTurnRows | undefined {
    const kept = recent.turn(turnId);
    if (kept) return kept;
    const reply = turnRow(turnId);
    if (!reply) return undefined;
    // Before a reply comes its conversation, and what it answers; neither row is ever removed.
    const conversation = recent.conversation(reply.conversation_id) as KnownConversation;
    const message = tree.rowAt(reply.conversation_id, reply.parent_seq) as MessageRow;
    return { reply, message, conversation };
  }

  const stateOf = ({ reply, message, conversation }: OpenTurnRows): TurnState => ({
    turn: toTurn(reply),
    message: view(message),
    reply: view(reply),
    epoch: reply.claim_epoch,
    userId: conversation.userId,
  });

  /** The rows, or undefined where they are another's or in a deleted conversation. */
  const owned = (turnId: string, userId: string): OpenTurnRows | undefined => {
    const found = find(turnId);
    const isOwn = found?.conversation.userId === userId && found.conversation.status !== "deleted";
    return isOwn ? found : undefined;
  };

  function claim(input: Parameters<MessageStore["claim"]>[0]): Claim | null {
    const { turnId, owner, countsAsAttempt, at } = input;
    const found = find(turnId);
    if (!found) return null;
    const row = found.reply;
    if (row.status !== "pending" || isHeld(row, input)) return null;
    const { conversation_id, seq } = row;
    if (countsAsAttempt && oldestPending(conversation_id)?.seq !== seq) return null;
    if (countsAsAttempt) {
      row.attempts++;
      row.turn_status = "running";
      row.started_at ??= at;
    }
    row.owner = owner;
    row.lease_until = input.leaseUntil;
    row.character_version = input.characterVersion ?? row.character_version;
    takeRow(
      row.attempts,
      owner,
      row.lease_until,
      row.turn_status,
      row.started_at,
      row.character_version,
      conversation_id,
      seq,
      row.claim_epoch,
    );
    row.claim_epoch++;
    step("claim.reply");
    recent.keepTurn(row, found.message);
    return {
      ...stateOf(found),
      attempts: row.attempts,
      isStopRequested: row.stop_requested_at !== null,
      isConversationDeleted: found.conversation.status === "deleted",
      settings: found.conversation.settings,
      characterId: row.character_id as string,
    };
  }

  function nextAttempt(turnId: string, epoch: number) {
    recent.forgetTurn(turnId);
    const raised = raiseRow(turnId, epoch);
    if (!raised) return null;
    step("next_attempt.reply");
    return { epoch: raised.claim_epoch, attempts: raised.attempts };
  }

  function renew(held: readonly { turnId: string; epoch: number }[], leaseUntil: number): string[] {
    return held.flatMap(({ turnId, epoch }) => {
      recent.forgetTurn(turnId);
      const isHeld = prolongRow(leaseUntil, turnId, epoch) > 0;
      step("renew.reply");
      return isHeld ? [] : [turnId];
    });
  }

  function complete(turnId: string, epoch: number, made: Outcome): CompleteResult {
    const found = find(turnId);
    if (!found) return { kind: "fenced" };
    const row = found.reply;
    if (row.status !== "pending") {
      return { kind: "already", turn: toTurn(row), reply: view(row), epoch: row.claim_epoch };
    }
    if (row.claim_epoch !== epoch || row.owner === null) return { kind: "fenced" };
    const outcome = found.conversation.status === "deleted" ? buried(made) : made;
    for (const attempt of outcome.attempts) {
      insertAttempt(
        turnId,
        attempt.epoch,
        attempt.provider,
        attempt.model,
        attempt.promptTokens,
        attempt.completionTokens,
        attempt.startedAt,
        attempt.firstTextAt,
        attempt.endedAt,
        attempt.error,
      );
      step("complete.attempt");
    }
    failpoint("k12");
    const usage = outcome.usage && JSON.stringify(outcome.usage);
    const problem = outcome.problem && JSON.stringify(outcome.problem);
    endRow(
      outcome.replyStatus,
      outcome.status,
      outcome.content,
      outcome.contentHash,
      outcome.tokenCount,
      outcome.finishReason,
      usage,
      problem,
      outcome.promptHash,
      outcome.at,
      row.conversation_id,
      row.seq,
      epoch,
    );
    recent.ended(turnId, row.conversation_id);
    step("complete.reply");
    const ended: ReplyRow = {
      ...row,
      status: outcome.replyStatus,
      turn_status: outcome.status,
      content: outcome.content,
      token_count: outcome.tokenCount,
      finish_reason: outcome.finishReason,
      usage,
      problem,
      ended_at: outcome.at,
    };
    return { kind: "stored", turn: toTurn(ended), reply: view(ended), epoch };
  }

  function requestStop(turnId: string, userId: string, at: number): Turn | null {
    const row = owned(turnId, userId)?.reply;
    if (!row) return null;
    if (row.status === "pending" && row.stop_requested_at === null) {
      recent.forgetTurn(turnId);
      wishStop(at, row.conversation_id, row.seq);
      step("stop.reply");
    }
    return toTurn(row);
  }

  return {
    async turn(id, userId) {
      const found = owned(id, userId);
      return found ? toTurn(found.reply) : null;
    },
    async turnState(id, userId) {
      const found = userId === null ? find(id) : owned(id, userId);
      return found ? stateOf(found) : null;
    },
    async activeTurnId(conversationId) {
      if ((conversationStatus(conversationId)?.status ?? "deleted") === "deleted") return null;
      return oldestPending(conversationId)?.turn_id ?? null;
    },
    claim: (input) => write(() => claim(input)),
    nextAttempt: (turnId, epoch) => write(() => nextAttempt(turnId, epoch)),
    renew: (held, leaseUntil) => write(() => renew(held, leaseUntil)),
    complete: (turnId, epoch, outcome) => write(() => complete(turnId, epoch, outcome)),
    requestStop: (turnId, userId, at) => write(() => requestStop(turnId, userId, at)),
    async openTurns({ after, limit }) {
      return open(after?.conversationId ?? "", after?.seq ?? 0, limit).map((row) => ({
        turnId: row.turn_id,
        conversationId: row.conversation_id,
        characterId: row.character_id,
        seq: row.seq,
      }));
    },
  };
}

/** What a turn comes to whose conversation was deleted meanwhile: its text is neither kept nor told of. */
const buried = (outcome: Outcome): Outcome => ({
  ...outcome,
  status: "stopped",
  replyStatus: "failed",
  content: "",
  finishReason: "stopped",
  problem: null,
});

/** Whether another has it: a claim holds until its lease is over or, in a sole process, its owner is gone. */
function isHeld(
  row: ReplyRow,
  { owner, isSoleProcess, at }: { owner: string; isSoleProcess: boolean; at: number },
): boolean {
  if (row.owner === null || (row.lease_until ?? 0) <= at) return false;
  return !(isSoleProcess && row.owner !== owner);
}
