/** The least that lists messages: the product's statement on the product's own file, given as the argument. */
import { DatabaseSync } from "node:sqlite";
import { answerJson, serve } from "../lib/serve.ts";

const LIMIT = 50;

interface Row {
  conversation_id: string;
  seq: number;
  id: string;
  parent_id: string | null;
  sibling_index: number;
  role: string;
  status: string;
  token_count: number;
  created_at: number;
  user_id: string;
  metadata: string;
  content: string;
}

const db = new DatabaseSync(process.argv[2] ?? "", { readOnly: true });
// As the product opens it.
db.exec("PRAGMA cache_size = -16384; PRAGMA temp_store = MEMORY");
const newest = db.prepare(
  `SELECT conversation_id, seq, id, parent_seq, parent_id, sibling_index, role, status, token_count,
     created_at, deleted_at, user_id, character_id, client_message_id, turn_id, finish_reason, usage,
     metadata, content
   FROM messages WHERE conversation_id = ? ORDER BY seq DESC LIMIT ?`,
);

const toMessage = (row: Row) => ({
  id: row.id,
  conversation_id: row.conversation_id,
  seq: row.seq,
  parent_id: row.parent_id,
  role: row.role,
  content: row.content,
  status: row.status,
  token_count: row.token_count,
  siblings: { index: row.sibling_index, count: 1 },
  metadata: JSON.parse(row.metadata),
  created_at: new Date(row.created_at).toISOString(),
  user_id: row.user_id,
});

serve((request, response) => {
  const conversation = request.url?.slice(1) ?? "";
  // One more than is shown tells whether there are older ones.
  const rows = newest.all(conversation, LIMIT + 1) as unknown as Row[];
  const items = rows.slice(0, LIMIT).reverse().map(toMessage);
  const before_cursor = rows.length > LIMIT ? String(items[0]?.seq) : null;
  answerJson(response, 200, JSON.stringify({ items, before_cursor, after_cursor: null }));
});
