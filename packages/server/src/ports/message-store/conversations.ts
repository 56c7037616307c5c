import type { Conversation } from "@parley-chat/sdk/contract";
import { Problem } from "@parley-chat/sdk/contract/problem";
import type { Activity } from "./activity.ts";
import { change, manyRows, oneRow, type StoreFile } from "./file.ts";
import type { ConversationChanges, MessageStore, NewConversation } from "./message-store.ts";
import { CONVERSATION_COLUMNS, type ConversationRow, toConversation } from "./rows.ts";
import type { Tree } from "./tree.ts";

type Owned = Pick<
  MessageStore,
  | "createConversation"
  | "conversation"
  | "listConversations"
  | "updateConversation"
  | "deleteConversation"
  | "sendTarget"
>;

/** One constant space for now; teams come later. */
const SPACE_ID = "default";

export function createConversations(file: StoreFile, tree: Tree, activity: Activity): Owned {
  const { db, write, step, recent } = file;
  const byId = oneRow<ConversationRow>(
    db,
    `SELECT ${CONVERSATION_COLUMNS} FROM conversations c WHERE id = ?`,
  );
  const listed = manyRows<ConversationRow>(
    db,
    `SELECT ${CONVERSATION_COLUMNS} FROM conversations c INDEXED BY conversations_activity
     WHERE user_id = ? AND status <> 'deleted' AND (activity_at, id) < (?, ?)
     ORDER BY activity_at DESC, id DESC LIMIT ?`,
  );
  const participants = manyRows<{ kind: string; participant_id: string; last_read_seq: number }>(
    db,
    "SELECT kind, participant_id, last_read_seq FROM participants WHERE conversation_id = ?",
  );
  const openTurnIds = manyRows<{ turn_id: string; turn_status: string }>(
    db,
    `SELECT turn_id, turn_status FROM messages INDEXED BY messages_pending
     WHERE conversation_id = ? AND status = 'pending' ORDER BY seq`,
  );
  const placeOf = oneRow<{ seq: number }>(
    db,
    "SELECT seq FROM messages WHERE id = ? AND conversation_id = ?",
  );

  const dropPlaces = change(db, "DELETE FROM messages WHERE conversation_id = ?");
  const dropParticipants = change(db, "DELETE FROM participants WHERE conversation_id = ?");
  const insertGreeting = change(
    db,
    `INSERT INTO messages (conversation_id, seq, id, parent_seq, sibling_index, role, status, token_count,
       created_at, character_id, content_hash, content)
     VALUES (?, 1, ?, 0, 0, 'assistant', 'complete', ?, ?, ?, ?, ?)`,
  );
  const insertParticipant = change(
    db,
    "INSERT INTO participants (conversation_id, kind, participant_id) VALUES (?, ?, ?)",
  );
  const insertConversation = change(
    db,
    `INSERT INTO conversations (id, user_id, space_id, status, created_at, updated_at, activity_at, title,
       settings, tags, metadata) VALUES (?, ?, ?, 'active', ?, ?, ?, ?, ?, ?, ?)`,
  );
  const updateRow = change(
    db,
    `UPDATE conversations SET title = ?, status = ?, settings = ?, tags = ?, metadata = ?, head_seq = ?,
       head_chosen_at_seq = ?, updated_at = ? WHERE id = ?`,
  );
  const markRead = change(
    db,
    `UPDATE participants SET last_read_seq = ?
     WHERE conversation_id = ? AND kind = 'user' AND participant_id = ?`,
  );
  const markDeleted = change(db, "UPDATE conversations SET status = 'deleted', deleted_at = ? WHERE id = ?");

  /** The row, or null where it is another's or deleted. */
  const owned = (id: string, userId: string): ConversationRow | null => {
    const row = byId(id);
    return row && row.user_id === userId && row.status !== "deleted" ? row : null;
  };

  function view(row: ConversationRow): Conversation {
    const newestSeq = tree.newestSeq(row.id);
    const headSeq = tree.headSeq(row, newestSeq);
    const people = participants(row.id);
    row.activity_at = activity.latest(row.id, row.activity_at);
    return toConversation(row, {
      characterIds: people.flatMap((one) => (one.kind === "character" ? [one.participant_id] : [])),
      headId: headSeq === 0 ? null : tree.idAt(row.id, headSeq),
      activeTurnId: openTurnIds(row.id).find((turn) => turn.turn_status === "running")?.turn_id ?? null,
      messageCount: newestSeq,
      lastReadSeq: people.find((one) => one.participant_id === row.user_id)?.last_read_seq ?? 0,
    });
  }

  /** The conversation's own row comes last: until it is there, nothing of it is. */
  function create(input: NewConversation): { conversation: Conversation; isNew: boolean } {
    const known = byId(input.id);
    if (known && (known.user_id !== input.userId || known.status === "deleted")) {
      throw new Problem("not_found", "There is no such conversation.");
    }
    if (known) return { conversation: view(known), isNew: false };
    const { id, userId, characterId, greeting, at } = input;
    recent.forget(id);
    // What a cut attempt may have left; its greeting can be another.
    dropPlaces(id);
    step("create.drop_places");
    dropParticipants(id);
    step("create.drop_participants");
    if (greeting) {
      insertGreeting(
        id,
        greeting.id,
        greeting.tokenCount,
        at,
        characterId,
        greeting.contentHash,
        greeting.content,
      );
      step("create.greeting");
    }
    insertParticipant(id, "user", userId);
    step("create.user");
    insertParticipant(id, "character", characterId);
    step("create.character");
    insertConversation(
      id,
      userId,
      SPACE_ID,
      at,
      at,
      at,
      input.title,
      JSON.stringify(input.settings),
      JSON.stringify(input.tags),
      JSON.stringify(input.metadata),
    );
    step("create.conversation");
    return { conversation: view(byId(id) as ConversationRow), isNew: true };
  }

  function update(
    id: string,
    userId: string,
    changes: ConversationChanges,
    at: number,
  ): Conversation | "not_found" | "no_message" {
    const row = owned(id, userId);
    if (!row) return "not_found";
    const { headId, lastReadSeq, ...fields } = changes;
    const newestSeq = tree.newestSeq(id);
    if (headId !== undefined && !chooseHead(row, headId, newestSeq)) return "no_message";
    if (headId !== undefined || Object.keys(fields).length > 0) {
      store(row, fields, at);
      step("update.conversation");
    }
    if (lastReadSeq !== undefined) {
      markRead(Math.min(lastReadSeq, newestSeq), id, userId);
      step("update.read");
    }
    return view(row);
  }

  /** Sets the choice in `row`; false where there is no such message. */
  function chooseHead(row: ConversationRow, headId: string, newestSeq: number): boolean {
    const named = placeOf(headId, row.id);
    if (!named || named.seq > newestSeq) return false;
    row.head_seq = tree.newestBelow(row.id, named.seq, newestSeq);
    row.head_chosen_at_seq = newestSeq;
    return true;
  }

  function store(row: ConversationRow, fields: ConversationChanges, at: number): void {
    const { settings, tags, metadata } = fields;
    row.title = fields.title ?? row.title;
    row.status = fields.status ?? row.status;
    if (settings) row.settings = JSON.stringify(settings);
    if (tags) row.tags = JSON.stringify(tags);
    if (metadata) row.metadata = JSON.stringify(metadata);
    row.updated_at = Math.max(row.updated_at, at);
    recent.forget(row.id);
    const { title, status, head_seq, head_chosen_at_seq, updated_at, id } = row;
    updateRow(
      title,
      status,
      row.settings,
      row.tags,
      row.metadata,
      head_seq,
      head_chosen_at_seq,
      updated_at,
      id,
    );
  }

  function remove(id: string, userId: string, at: number): { wasThere: boolean; openTurnIds: string[] } {
    const row = byId(id);
    if (!row || row.user_id !== userId) return { wasThere: false, openTurnIds: [] };
    if (row.status !== "deleted") {
      markDeleted(at, id);
      recent.forget(id);
      step("delete.conversation");
    }
    return { wasThere: true, openTurnIds: openTurnIds(id).map((turn) => turn.turn_id) };
  }

  return {
    createConversation: (conversation) => write(() => create(conversation)),
    async conversation(id, userId) {
      const row = owned(id, userId);
      return row ? view(row) : null;
    },
    async listConversations({ userId, limit, cursor }) {
      const { at, id } = cursor === null ? { at: Number.MAX_SAFE_INTEGER, id: "" } : readCursor(cursor);
      // The order is that of the index; where the disk refuses, an older order is better than none.
      if (!activity.isWritten(userId)) await write(activity.write).catch(() => {});
      const rows = listed(userId, at, id, limit + 1);
      const items = rows.slice(0, limit);
      const last = rows.length > limit ? items.at(-1) : undefined;
      const nextCursor = last ? writeCursor({ at: last.activity_at, id: last.id }) : null;
      return { items: items.map(view), nextCursor };
    },
    updateConversation: (id, userId, changes, at) => write(() => update(id, userId, changes, at)),
    deleteConversation: (id, userId, at) => write(() => remove(id, userId, at)),
    async sendTarget(id, userId) {
      const known = recent.conversation(id);
      if (known?.userId !== userId || known.status === "deleted" || known.characterId === null) return null;
      return { conversationId: id, characterId: known.characterId, settings: known.settings };
    },
  };
}

interface ListPlace {
  at: number;
  id: string;
}

const writeCursor = ({ at, id }: ListPlace): string => Buffer.from(`${at}.${id}`).toString("base64url");

function readCursor(text: string): ListPlace {
  const [, at, id] = /^(\d{1,16})\.(.{1,64})$/.exec(Buffer.from(text, "base64url").toString()) ?? [];
  // Decoding forgives a lot; only what comes out the same again is a cursor of ours.
  if (at === undefined || id === undefined || writeCursor({ at: Number(at), id }) !== text) {
    throw new Problem("invalid_cursor", "The cursor is malformed. Take it from an answer of this list.", {
      errors: [{ path: "cursor", message: "must be a cursor of this list" }],
    });
  }
  return { at: Number(at), id };
}
