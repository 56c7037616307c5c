/**
 * The least that stores a message and then answers: one row in SQLite (WAL, synchronous=FULL).
 * Arguments: the file, and `grouped` (rows of one turn of the event loop share a commit) or `each`.
 */
import { createHash, randomUUID } from "node:crypto";
import type { ServerResponse } from "node:http";
import { DatabaseSync } from "node:sqlite";
import { answerJson, readBody, serve } from "../lib/serve.ts";

const [, , path = "", mode] = process.argv;
const db = new DatabaseSync(path);
db.exec("pragma journal_mode = wal; pragma synchronous = full");
db.exec(`create table messages (conversation text, seq integer, id text, hash text, content text, at integer,
  primary key (conversation, seq)) without rowid`);
const insert = db.prepare("insert into messages values (?, ?, ?, ?, ?, ?)");

interface Waiting {
  conversation: string;
  content: string;
  response: ServerResponse;
}

const seqs = new Map<string, number>();
let waiting: Waiting[] = [];

function store({ conversation, content }: Waiting): string {
  const seq = (seqs.get(conversation) ?? 0) + 1;
  seqs.set(conversation, seq);
  const id = randomUUID();
  const at = Date.now();
  insert.run(conversation, seq, id, createHash("sha256").update(content).digest("hex"), content, at);
  const created_at = new Date(at).toISOString();
  return JSON.stringify({ message: { id, conversation, seq, role: "user", content, created_at } });
}

function commit(): void {
  const group = waiting;
  waiting = [];
  db.exec("begin immediate");
  const bodies = group.map(store);
  db.exec("commit");
  for (const [n, { response }] of group.entries()) answerJson(response, 201, bodies[n] as string);
}

serve((request, response) => {
  readBody(request, (body) => {
    const { content } = JSON.parse(body.toString()) as { content: string };
    waiting.push({ conversation: request.url as string, content, response });
    if (mode === "each") commit();
    else if (waiting.length === 1) setImmediate(commit);
  });
});
