import type { Migration } from "../../kit/sqlite/open.ts";

/**
 * One table of places, clustered by (conversation, seq), so that a page is one range of the file.
 * A reply's row is its turn as well. `parent_seq` is 0 for a root. Content comes last: what is skipped
 * on the way down a branch is not read. `turn_id` is also on the message whose send made the turn.
 *
 * The indexes on branches hold only places that do not follow their parent directly, so a conversation
 * without branches pays nothing for them: `messages_jumps` finds where a branch leaves the row of
 * places, `messages_siblings` what else a parent has.
 */
const tables = `
  CREATE TABLE conversations (
    id TEXT PRIMARY KEY,
    user_id TEXT NOT NULL,
    space_id TEXT NOT NULL,
    status TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    activity_at INTEGER NOT NULL,
    head_seq INTEGER,
    head_chosen_at_seq INTEGER,
    deleted_at INTEGER,
    erased_seq INTEGER NOT NULL DEFAULT 0,
    erased_at INTEGER,
    title TEXT NOT NULL,
    settings TEXT NOT NULL,
    tags TEXT NOT NULL,
    metadata TEXT NOT NULL
  ) WITHOUT ROWID;
  CREATE INDEX conversations_activity ON conversations (user_id, activity_at, id) WHERE status <> 'deleted';
  CREATE INDEX conversations_to_erase ON conversations (deleted_at)
    WHERE status = 'deleted' AND erased_at IS NULL;

  CREATE TABLE participants (
    conversation_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    participant_id TEXT NOT NULL,
    last_read_seq INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (conversation_id, kind, participant_id)
  ) WITHOUT ROWID;

  CREATE TABLE messages (
    conversation_id TEXT NOT NULL,
    seq INTEGER NOT NULL,
    id TEXT NOT NULL,
    parent_seq INTEGER NOT NULL,
    sibling_index INTEGER NOT NULL,
    places INTEGER NOT NULL DEFAULT 1,
    role TEXT NOT NULL,
    status TEXT NOT NULL,
    token_count INTEGER NOT NULL DEFAULT 0,
    created_at INTEGER NOT NULL,
    deleted_at INTEGER,
    parent_id TEXT,
    user_id TEXT,
    character_id TEXT,
    client_message_id TEXT,
    request_key TEXT,
    reply_owed TEXT,
    content_hash TEXT,
    turn_id TEXT,
    turn_status TEXT,
    claim_epoch INTEGER NOT NULL DEFAULT 0,
    attempts INTEGER NOT NULL DEFAULT 0,
    owner TEXT,
    lease_until INTEGER,
    stop_requested_at INTEGER,
    started_at INTEGER,
    ended_at INTEGER,
    character_version INTEGER,
    prompt_hash TEXT,
    finish_reason TEXT,
    usage TEXT,
    problem TEXT,
    metadata TEXT NOT NULL DEFAULT '{}',
    content TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (conversation_id, seq)
  ) WITHOUT ROWID;
  CREATE UNIQUE INDEX messages_id ON messages (id);
  CREATE UNIQUE INDEX messages_turn ON messages (turn_id) WHERE turn_status IS NOT NULL;
  CREATE INDEX messages_client ON messages (conversation_id, client_message_id)
    WHERE client_message_id IS NOT NULL;
  CREATE INDEX messages_request ON messages (conversation_id, request_key) WHERE request_key IS NOT NULL;
  CREATE INDEX messages_pending ON messages (conversation_id, seq) WHERE status = 'pending';
  CREATE INDEX messages_owed ON messages (conversation_id, seq) WHERE reply_owed IS NOT NULL;
  CREATE INDEX messages_siblings ON messages (conversation_id, parent_seq, seq, sibling_index)
    WHERE parent_seq <> seq - 1;
  CREATE INDEX messages_jumps ON messages (conversation_id, seq, parent_seq) WHERE parent_seq <> seq - 1;

  CREATE TABLE attempts (
    turn_id TEXT NOT NULL,
    epoch INTEGER NOT NULL,
    provider TEXT NOT NULL,
    model TEXT NOT NULL,
    prompt_tokens INTEGER NOT NULL,
    completion_tokens INTEGER NOT NULL,
    started_at INTEGER NOT NULL,
    first_text_at INTEGER,
    ended_at INTEGER NOT NULL,
    error TEXT,
    PRIMARY KEY (turn_id, epoch)
  ) WITHOUT ROWID;

  CREATE TABLE probes (id INTEGER PRIMARY KEY, count INTEGER NOT NULL);
`;

/** A released migration is never changed; a new one is added behind it. */
export const migrations: readonly Migration[] = [(db) => db.exec(tables)];
