import type { StoreFile } from "./file.ts";
import { manyRows, oneRow } from "./file.ts";
import { MESSAGE_COLUMNS, type MessageRow } from "./rows.ts";

/** Consecutive places of a branch. */
export interface Segment {
  lowest: number;
  highest: number;
}

interface HeadChoice {
  head_seq: number | null;
  head_chosen_at_seq: number | null;
}

export type Tree = ReturnType<typeof createTree>;

/** Reads the shape of a conversation: its newest place, its head, its branches and siblings. */
export function createTree({ db, recent }: StoreFile) {
  const idAt = oneRow<{ id: string }>(db, "SELECT id FROM messages WHERE conversation_id = ? AND seq = ?");
  const parentAt = oneRow<{ parent_seq: number }>(
    db,
    "SELECT parent_seq FROM messages WHERE conversation_id = ? AND seq = ?",
  );
  const jumpAtOrBelow = oneRow<{ seq: number; parent_seq: number }>(
    db,
    `SELECT seq, parent_seq FROM messages INDEXED BY messages_jumps
     WHERE conversation_id = ? AND seq <= ? AND parent_seq <> seq - 1 ORDER BY seq DESC LIMIT 1`,
  );
  const jumpsAbove = manyRows<{ seq: number; parent_seq: number }>(
    db,
    `SELECT seq, parent_seq FROM messages INDEXED BY messages_jumps
     WHERE conversation_id = ? AND seq > ? AND seq <= ? AND parent_seq <> seq - 1 ORDER BY seq`,
  );
  // Siblings are numbered in the order of their places, so the newest of them tells how many there are.
  const newestSibling = oneRow<{ sibling_index: number }>(
    db,
    `SELECT sibling_index FROM messages INDEXED BY messages_siblings
     WHERE conversation_id = ? AND parent_seq = ? AND seq <= ? AND parent_seq <> seq - 1
     ORDER BY seq DESC LIMIT 1`,
  );
  const nextForkAbove = oneRow<{ parent_seq: number }>(
    db,
    `SELECT parent_seq FROM messages INDEXED BY messages_siblings
     WHERE conversation_id = ? AND parent_seq > ? AND parent_seq <= ? AND parent_seq <> seq - 1
     ORDER BY parent_seq LIMIT 1`,
  );

  /**
   * The newest place that readers see, 0 where there is none. A send whose reply is missing was never
   * acknowledged and is always the newest; it shows once its reply was recreated.
   */
  const newestSeq = (conversationId: string): number => {
    const last = recent.shape(conversationId).newest;
    if (!last) return 0;
    return last.places === 1 ? last.seq : last.seq - 1;
  };

  /** The newest place, unless a branch was chosen since; 0 where there is none. */
  const headSeq = (choice: HeadChoice, newestSeq: number): number =>
    choice.head_chosen_at_seq === newestSeq && choice.head_seq !== null ? choice.head_seq : newestSeq;

  /** The branch that ends in `leafSeq`, as runs of consecutive places, highest first. */
  function* segments(conversationId: string, leafSeq: number): Generator<Segment> {
    for (let highest = leafSeq; highest > 0; ) {
      const jump = jumpAtOrBelow(conversationId, highest);
      yield { lowest: jump?.seq ?? 1, highest };
      highest = jump?.parent_seq ?? 0;
    }
  }

  /** The newest place among `seq` and all below it: a leaf, for a child comes after its parent. */
  function newestBelow(conversationId: string, seq: number, newestSeq: number): number {
    const isBelow = new Uint8Array(newestSeq + 1);
    const jumps = jumpsAbove(conversationId, seq, newestSeq);
    // From one jump to the next, places follow one another: all of a run are below, or none is.
    const endOfRun = (n: number) => jumps[n]?.seq ?? newestSeq + 1;
    let newest = endOfRun(0) - 1;
    isBelow.fill(1, seq, newest + 1);
    for (const [n, jump] of jumps.entries()) {
      if (!isBelow[jump.parent_seq]) continue;
      newest = endOfRun(n + 1) - 1;
      isBelow.fill(1, jump.seq, newest + 1);
    }
    return newest;
  }

  /** Which place among its siblings the next child of a parent takes, at place `seq`. */
  function nextSiblingIndex(conversationId: string, parentSeq: number, seq: number): number {
    if (parentSeq === seq - 1) return 0;
    const other = newestSibling(conversationId, parentSeq, seq);
    if (other) return other.sibling_index + 1;
    return parentAt(conversationId, parentSeq + 1)?.parent_seq === parentSeq ? 1 : 0;
  }

  function siblingsCount(conversationId: string, parentSeq: number, newestSeq: number): number {
    if (recent.shape(conversationId).isStraight) return 1;
    return 1 + (newestSibling(conversationId, parentSeq, newestSeq)?.sibling_index ?? 0);
  }

  /** For places of a page: how many siblings each has, itself included. */
  function siblingsOf(conversationId: string, rows: readonly MessageRow[], newestSeq: number) {
    if (recent.shape(conversationId).isStraight) return () => 1;
    const counts = new Map<number, number>();
    let lowest = Number.MAX_SAFE_INTEGER;
    let highest = -1;
    for (const { parent_seq } of rows) {
      if (parent_seq === 0) {
        counts.set(0, siblingsCount(conversationId, 0, newestSeq));
        continue;
      }
      if (parent_seq < lowest) lowest = parent_seq;
      if (parent_seq > highest) highest = parent_seq;
    }
    for (let above = lowest - 1; above < highest; ) {
      const fork = nextForkAbove(conversationId, above, highest)?.parent_seq;
      if (fork === undefined) break;
      counts.set(fork, siblingsCount(conversationId, fork, newestSeq));
      above = fork;
    }
    return (row: MessageRow): number => counts.get(row.parent_seq) ?? 1;
  }

  return {
    newestSeq,
    headSeq,
    idAt: (conversationId: string, seq: number) => idAt(conversationId, seq)?.id ?? null,
    segments,
    newestBelow,
    nextSiblingIndex,
    siblingsCount,
    siblingsOf,
    rowAt: oneRow<MessageRow>(
      db,
      `SELECT ${MESSAGE_COLUMNS} FROM messages m WHERE m.conversation_id = ? AND m.seq = ?`,
    ),
  };
}
