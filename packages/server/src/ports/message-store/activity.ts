import { change, type StoreFile } from "./file.ts";

/**
 * How long a conversation's place in the list may be known in memory alone. To write it with every send
 * costs as much as the message itself; what a kill takes of it is an order of a list, made good by the
 * next send.
 */
const WRITE_EVERY_MS = 1_000;

interface Noted {
  readonly userId: string;
  readonly at: number;
}

export type Activity = ReturnType<typeof createActivity>;

/** When something last happened in each conversation: noted at once, written about once a second. */
export function createActivity(
  uses: Pick<StoreFile, "db" | "step" | "isStepwise"> & { monotonic(): number },
) {
  const { step, isStepwise, monotonic } = uses;
  const touchRow = change(
    uses.db,
    "UPDATE conversations SET activity_at = ? WHERE id = ? AND activity_at < ?",
  );
  const unwritten = new Map<string, Noted>();
  let written: [conversationId: string, noted: Noted][] = [];
  let writtenAtMs = Number.NEGATIVE_INFINITY;

  const write = () => {
    written = [...unwritten];
    for (const [conversationId, { at }] of written) {
      touchRow(at, conversationId, at);
      step("touch.conversation");
    }
  };

  return {
    touch: (conversationId: string, userId: string, at: number) =>
      void unwritten.set(conversationId, {
        userId,
        at: Math.max(at, unwritten.get(conversationId)?.at ?? at),
      }),
    /** The later of what is stored and what is noted. */
    latest: (conversationId: string, storedAt: number): number =>
      Math.max(storedAt, unwritten.get(conversationId)?.at ?? storedAt),
    /** Whether the stored order of a user's conversations is that of their activity. */
    isWritten(userId: string): boolean {
      for (const noted of unwritten.values()) if (noted.userId === userId) return false;
      return true;
    },
    /** Inside a transaction: writes all that is noted. */
    write,
    /** Behind the works of each transaction. */
    beforeCommit() {
      if (isStepwise || monotonic() - writtenAtMs >= WRITE_EVERY_MS) write();
    },
    /** What was written in this transaction is on disk now. */
    committed() {
      if (written.length === 0) return;
      writtenAtMs = monotonic();
      for (const [id, noted] of written.splice(0)) if (unwritten.get(id) === noted) unwritten.delete(id);
    },
    /** A transaction begins; what an earlier one wrote and took back is still noted. */
    begin() {
      written = [];
    },
  };
}
