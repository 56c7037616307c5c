/**
 * Fills a messages.db with conversations like one that is in it, in which turns follow each other.
 * Arguments: the file, the conversation's id, how many conversations of how many messages each, and what
 * their ids begin with (8 hex digits). Sends the ids.
 */
import { DatabaseSync } from "node:sqlite";

const [, , path = "", like = "", conversations = "", messages = "", prefix = ""] = process.argv;
const each = Number(messages);

const db = new DatabaseSync(path);
db.exec("pragma journal_mode = wal; pragma synchronous = off; pragma cache_size = -200000; begin");
const uuid = (kind: number, n: string) => `printf('${prefix}-000${kind}-7000-8000-%012x', ${n})`;
const columnsOf = (table: string) =>
  db
    .prepare("select name from pragma_table_info(?)")
    .all(table)
    .map(({ name }) => String(name));

/** Every row of a table that belongs to the model conversation, once more for each new one. */
function multiply(table: string, idColumn: string): void {
  const columns = columnsOf(table);
  const values = columns.map((name) => (name === idColumn ? uuid(0, "n") : name));
  db.prepare(
    `insert into ${table} (${columns.join(", ")})
     with recursive c(n) as (select 1 union all select n + 1 from c where n < ?)
     select ${values.join(", ")} from c, ${table} where ${idColumn} = ?`,
  ).run(Number(conversations), like);
}
multiply("conversations", "id");
multiply("participants", "conversation_id");

// A message and its reply take turns; of a pair the number is that of the message.
const number = `((n - 1) * ${each} + seq)`;
const pair = `((n - 1) * ${each} + seq - (seq + 1) % 2)`;
db.prepare(
  `insert into messages (conversation_id, seq, id, parent_seq, parent_id, sibling_index, places, role, status,
     token_count, created_at, user_id, character_id, turn_id, turn_status, claim_epoch, attempts, started_at,
     ended_at, character_version, finish_reason, content_hash, content)
   with recursive c(n) as (select 1 union all select n + 1 from c where n < ?),
     s(seq) as (select 1 union all select seq + 1 from s where seq < ?)
   select ${uuid(0, "n")}, seq, ${uuid(1, number)}, seq - 1,
     case when seq > 1 then ${uuid(1, `${number} - 1`)} end, 0,
     case when seq % 2 = 1 then 2 else 1 end,
     case when seq % 2 = 1 then 'user' else 'assistant' end, 'complete', 66, o.created_at,
     case when seq % 2 = 1 then o.user_id end, case when seq % 2 = 0 then p.participant_id end,
     ${uuid(2, pair)}, case when seq % 2 = 0 then 'completed' end,
     case when seq % 2 = 0 then 1 else 0 end, case when seq % 2 = 0 then 1 else 0 end,
     case when seq % 2 = 0 then o.created_at end, case when seq % 2 = 0 then o.created_at end,
     case when seq % 2 = 0 then 1 end, case when seq % 2 = 0 then 'stop' end,
     printf('%064x', ${number}),
     printf('%08d ', ${number}) || replace(hex(zeroblob(32)), '00', 'rain and ')
   from c, s, conversations o, participants p
   where o.id = ? and p.conversation_id = o.id and p.kind = 'character'`,
).run(Number(conversations), each, like);
db.exec("commit");
const filled = db
  .prepare("select id from conversations where id between ? and ? order by id")
  .all(`${prefix}-0000`, `${prefix}-0000-z`)
  .map(({ id }) => id);
db.close();
process.send?.({ filled });
process.disconnect?.();
