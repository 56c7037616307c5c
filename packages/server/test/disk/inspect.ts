import { hash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join, relative } from "node:path";
import { DatabaseSync } from "node:sqlite";
import type { Kept } from "./scene.ts";

type Row = Record<string, string | number>;

/** Opens a database that a power cut left, as it is, and looks through all its pages; null where there is none. */
function opened<T>(path: string, complaints: string[], look: (all: (sql: string) => Row[]) => T): T | null {
  if (!existsSync(path)) return null;
  const db = new DatabaseSync(path);
  try {
    // What is laid out here is thrown away at once.
    db.exec("PRAGMA synchronous = OFF");
    const all = (sql: string) => db.prepare(sql).all() as Row[];
    const found = all("PRAGMA quick_check")[0]?.quick_check;
    if (found !== "ok") complaints.push(`${path}: ${found}`);
    return all("SELECT 1 FROM sqlite_schema LIMIT 1").length === 0 ? null : look(all);
  } catch (error) {
    complaints.push(`${path}: ${(error as Error).message}`);
    return null;
  } finally {
    db.close();
  }
}

const ORPHANS = `SELECT id FROM messages m WHERE parent_seq >= seq
  OR NOT EXISTS (SELECT 1 FROM conversations c WHERE c.id = m.conversation_id)
  OR (parent_seq > 0 AND NOT EXISTS
    (SELECT 1 FROM messages p WHERE p.conversation_id = m.conversation_id AND p.seq = m.parent_seq))
  OR (places = 2 AND NOT EXISTS (SELECT 1 FROM messages r WHERE r.conversation_id = m.conversation_id
    AND r.seq = m.seq + 1 AND r.turn_status IS NOT NULL))`;

/** What is wrong with a data folder after a power cut, before any server runs on it; nothing where all is kept. */
export function inspect(dataDir: string, kept: Kept): string[] {
  const complaints: string[] = [];
  const messages = opened(join(dataDir, "messages.db"), complaints, (all) => {
    for (const { id } of all(ORPHANS)) complaints.push(`${id} is an orphan`);
    const places = "SELECT conversation_id AS id, count(*) AS n, max(seq) AS last FROM messages GROUP BY 1";
    for (const { id, n, last } of all(places)) if (n !== last) complaints.push(`${id} has gaps`);
    return {
      contents: new Map(all("SELECT id, content FROM messages").map(({ id, content }) => [id, content])),
      conversations: new Set(all("SELECT id FROM conversations").map(({ id }) => id)),
    };
  });
  for (const [id, { content }] of kept.messages) {
    if (messages?.contents.get(id) !== content) complaints.push(`the acknowledged message ${id} is lost`);
  }
  for (const id of kept.conversations) {
    if (!messages?.conversations.has(id)) complaints.push(`the acknowledged conversation ${id} is lost`);
  }
  const characters = opened(join(dataDir, "parley.db"), complaints, (all) => {
    const rows = all("SELECT * FROM characters");
    for (const name of rows.flatMap(({ avatar, avatar_thumb }) => [avatar, avatar_thumb])) {
      if (typeof name === "string" && !isBlob(dataDir, name)) complaints.push(`the picture ${name} is lost`);
    }
    return new Set(rows.map(({ id }) => id));
  });
  for (const id of kept.characters) {
    if (!characters?.has(id)) complaints.push(`the acknowledged character ${id} is lost`);
  }
  return complaints;
}

function isBlob(dataDir: string, name: string): boolean {
  const path = join(dataDir, "blobs", name.slice(0, 2), name);
  return existsSync(path) && hash("sha256", readFileSync(path)) === name;
}

/** Every file below a folder under its path there, but what SQLite keeps in shared memory. */
export function filesOf(root: string): Map<string, string> {
  const paths = readdirSync(root, { recursive: true, encoding: "utf8" }).map((path) => join(root, path));
  const files = paths.filter((path) => !path.endsWith("-shm") && statSync(path).isFile());
  return new Map(
    files.map((path) => [relative(root, path), hash("sha256", readFileSync(path))]).sort() as never,
  );
}
