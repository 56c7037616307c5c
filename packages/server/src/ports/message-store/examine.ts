import { type Examined, examineSqlite, type Invariant } from "../../kit/sqlite/examine.ts";
import { migrations } from "./schema.ts";

const counts = {
  conversations: "SELECT count(*) AS n FROM conversations WHERE status <> 'deleted'",
  messages: "SELECT count(*) AS n FROM messages",
  turns: "SELECT count(*) AS n FROM messages WHERE turn_status IS NOT NULL",
};

const ended = "turn_status IN ('completed', 'failed', 'stopped')";

/** What I2, I3 and I5 of the promises forbid, as this schema shows it. A reply that is owed is recreated. */
const invariants: readonly Invariant[] = [
  {
    what: "places without the one before them",
    sql: `SELECT count(*) AS n FROM messages m WHERE seq > 1
      AND NOT EXISTS (SELECT 1 FROM messages p WHERE p.conversation_id = m.conversation_id AND p.seq = m.seq - 1)
      AND NOT EXISTS (SELECT 1 FROM messages o WHERE o.conversation_id = m.conversation_id
        AND o.seq = m.seq - 2 AND o.reply_owed IS NOT NULL)`,
  },
  {
    what: "messages whose reply has no place",
    sql: `SELECT count(*) AS n FROM messages m WHERE places = 2 AND reply_owed IS NULL
      AND NOT EXISTS (SELECT 1 FROM messages r WHERE r.conversation_id = m.conversation_id
        AND r.seq = m.seq + 1 AND r.turn_status IS NOT NULL)`,
  },
  {
    what: "turns that have ended without their reply, or the other way round",
    sql: `SELECT count(*) AS n FROM messages WHERE turn_status IS NOT NULL
      AND ((${ended}) = (status = 'pending') OR (turn_status = 'completed') <> (status = 'complete'))`,
  },
  {
    what: "messages below no parent",
    sql: `SELECT count(*) AS n FROM messages m WHERE parent_seq > 0 AND (parent_seq >= seq
      OR NOT EXISTS (SELECT 1 FROM messages p WHERE p.conversation_id = m.conversation_id AND p.seq = m.parent_seq))`,
  },
  {
    what: "messages of no conversation",
    sql: `SELECT count(*) AS n FROM messages m WHERE seq = 1
      AND NOT EXISTS (SELECT 1 FROM conversations c WHERE c.id = m.conversation_id)`,
  },
  {
    what: "client ids that stand for several messages",
    sql: `SELECT count(*) AS n FROM (SELECT 1 FROM messages WHERE client_message_id IS NOT NULL
      GROUP BY conversation_id, client_message_id HAVING count(*) > 1)`,
  },
];

/** The newest schema that this program knows. */
export const schemaKnown = migrations.length;

/** Looks through a `messages.db`; see `examineSqlite`. */
export const examineMessages = (path: string, { isAtRest }: { isAtRest: boolean }): Examined =>
  examineSqlite({ path, isAtRest, schemaKnown, counts, invariants });
