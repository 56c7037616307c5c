import { oneRow, type StoreFile } from "./file.ts";
import type { ContextMessage, MessageStore, Page, PageQuery } from "./message-store.ts";
import { type ConversationRow, MESSAGE_COLUMNS, type MessageRow, messageRowOf, toMessage } from "./rows.ts";
import type { Segment, Tree } from "./tree.ts";

type Reading = Pick<MessageStore, "message" | "page" | "context">;

const EMPTY: Page = { items: [], hasBefore: false, hasAfter: false };
/** Messages of a context that are read at once: a few thousand tokens. */
const CONTEXT_ROWS = 128;

/** How messages are read: one, a page, the context of a turn. */
export function createPages({ db }: StoreFile, tree: Tree): Reading {
  const conversation = oneRow<Pick<ConversationRow, "head_seq" | "head_chosen_at_seq">>(
    db,
    "SELECT head_seq, head_chosen_at_seq FROM conversations WHERE id = ? AND status <> 'deleted'",
  );
  const byId = oneRow<MessageRow>(
    db,
    `SELECT ${MESSAGE_COLUMNS} FROM messages m JOIN conversations c ON c.id = m.conversation_id
     WHERE m.id = ? AND c.user_id = ? AND c.status <> 'deleted'`,
  );
  const between = db.prepare(
    `SELECT ${MESSAGE_COLUMNS} FROM messages m
     WHERE m.conversation_id = ? AND m.seq BETWEEN ? AND ? ORDER BY m.seq`,
  );
  between.setReturnArrays(true);
  const downwards = db.prepare(
    `SELECT seq, role, status, token_count, deleted_at, content FROM messages
     WHERE conversation_id = ? AND seq BETWEEN ? AND ? ORDER BY seq DESC LIMIT ${CONTEXT_ROWS}`,
  );
  downwards.setReturnArrays(true);

  /** Runs of places that a page shows, lowest first, at most `limit` places in all. */
  function pick(conversationId: string, leafSeq: number, query: PageQuery): Segment[] {
    const { branch, beforeSeq, afterSeq, limit } = query;
    const above = afterSeq ?? 0;
    const upTo = Math.min(leafSeq, (beforeSeq ?? Number.MAX_SAFE_INTEGER) - 1);
    const runs: Segment[] = [];
    const all = branch === "all" ? [{ lowest: 1, highest: leafSeq }] : tree.segments(conversationId, leafSeq);
    let left = limit;
    const isUpwards = afterSeq !== null && beforeSeq === null;
    for (const run of all) {
      if (run.highest <= above || left === 0) break;
      const highest = Math.min(run.highest, upTo);
      let lowest = Math.max(run.lowest, above + 1);
      if (highest < lowest) continue;
      if (!isUpwards) {
        lowest = Math.max(lowest, highest - left + 1);
        left -= highest - lowest + 1;
      }
      runs.push({ lowest, highest });
    }
    return isUpwards ? firstOf(runs.reverse(), limit) : runs.reverse();
  }

  function page(query: PageQuery): Page {
    const { conversationId, branch, beforeSeq, afterSeq } = query;
    const choice = conversation(conversationId);
    if (!choice) return EMPTY;
    const newestSeq = tree.newestSeq(conversationId);
    const leafSeq = branch === "all" ? newestSeq : tree.headSeq(choice, newestSeq);
    const rows = pick(conversationId, leafSeq, query).flatMap(({ lowest, highest }) =>
      (between.all(conversationId, lowest, highest) as unknown as unknown[][]).map(messageRowOf),
    );
    const first = rows[0];
    const last = rows.at(-1);
    if (!first || !last) {
      return { ...EMPTY, hasBefore: afterSeq !== null && leafSeq > 0, hasAfter: isBelow(beforeSeq, leafSeq) };
    }
    const countOf = tree.siblingsOf(conversationId, rows, newestSeq);
    return {
      items: rows.map((row) => toMessage(row, countOf(row))),
      // Places have no holes and a branch no gaps, so nothing needs to be looked for.
      hasBefore: branch === "all" ? first.seq > 1 : first.parent_seq > 0,
      hasAfter: last.seq < leafSeq,
    };
  }

  /** The rows of a branch downwards, as arrays: they are many, and each is looked at once. */
  function* branchDownwards(conversationId: string, leafSeq: number): Generator<ContextRow> {
    for (const { lowest, highest } of tree.segments(conversationId, leafSeq)) {
      for (let from = highest; from >= lowest; from -= CONTEXT_ROWS) {
        yield* downwards.all(conversationId, lowest, from) as unknown as ContextRow[];
      }
    }
  }

  return {
    async message(id, userId) {
      const row = byId(id, userId);
      if (!row) return null;
      const newestSeq = tree.newestSeq(row.conversation_id);
      if (row.seq > newestSeq) return null;
      return toMessage(row, tree.siblingsCount(row.conversation_id, row.parent_seq, newestSeq));
    },
    page: async (query) => page(query),
    async context({ conversationId, leafSeq, tokensMax, messageOverheadTokens }) {
      const messages: ContextMessage[] = [];
      let left = tokensMax;
      if (!conversation(conversationId)) return { messages, isWhole: true };
      for (const [seq, role, status, tokenCount, deletedAt, content] of branchDownwards(
        conversationId,
        Math.min(leafSeq, tree.newestSeq(conversationId)),
      )) {
        if (status === "pending" || status === "failed" || deletedAt !== null) continue;
        left -= tokenCount + messageOverheadTokens;
        if (left < 0) return { messages: messages.reverse(), isWhole: false };
        messages.push({ seq, role, content, tokenCount });
      }
      return { messages: messages.reverse(), isWhole: true };
    },
  };
}

type ContextRow = [
  seq: number,
  role: ContextMessage["role"],
  status: MessageRow["status"],
  tokenCount: number,
  deletedAt: number | null,
  content: string,
];

const isBelow = (beforeSeq: number | null, leafSeq: number) => beforeSeq !== null && leafSeq >= beforeSeq;

/** The first `limit` places of runs that are in order. */
function firstOf(runs: readonly Segment[], limit: number): Segment[] {
  const first: Segment[] = [];
  let left = limit;
  for (const { lowest, highest } of runs) {
    if (left === 0) break;
    const end = Math.min(highest, lowest + left - 1);
    first.push({ lowest, highest: end });
    left -= end - lowest + 1;
  }
  return first;
}
