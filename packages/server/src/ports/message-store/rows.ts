import type {
  Conversation,
  ConversationSettings,
  FinishReason,
  Message,
  ProblemDocument,
  Turn,
  Usage,
} from "@parley-chat/sdk/contract";

/** The columns that a message on the wire is made of. */
export interface MessageRow {
  conversation_id: string;
  seq: number;
  id: string;
  parent_seq: number;
  parent_id: string | null;
  sibling_index: number;
  role: Message["role"];
  status: Message["status"];
  token_count: number;
  created_at: number;
  deleted_at: number | null;
  user_id: string | null;
  character_id: string | null;
  client_message_id: string | null;
  turn_id: string | null;
  finish_reason: FinishReason | null;
  usage: string | null;
  metadata: string;
  content: string;
}

/** The columns of the turn that lives in a reply's row. */
export interface TurnColumns {
  turn_status: Turn["status"];
  claim_epoch: number;
  attempts: number;
  owner: string | null;
  lease_until: number | null;
  stop_requested_at: number | null;
  started_at: number | null;
  ended_at: number | null;
  character_version: number;
  problem: string | null;
}

export type ReplyRow = MessageRow & TurnColumns;

const columnsOf = (names: string) => names.split(" ").map((name) => `m.${name}`);

/** For a statement in which `m` is the messages table. `messageRowOf` follows this order. */
export const MESSAGE_COLUMNS = columnsOf(
  "conversation_id seq id parent_seq parent_id sibling_index role status token_count created_at deleted_at user_id character_id client_message_id turn_id finish_reason usage metadata content",
).join(", ");

export const REPLY_COLUMNS = [
  MESSAGE_COLUMNS,
  ...columnsOf(
    "turn_status claim_epoch attempts owner lease_until stop_requested_at started_at ended_at character_version problem",
  ),
].join(", ");

export interface ConversationRow {
  id: string;
  user_id: string;
  status: Conversation["status"];
  created_at: number;
  updated_at: number;
  activity_at: number;
  head_seq: number | null;
  head_chosen_at_seq: number | null;
  title: string;
  settings: string;
  tags: string;
  metadata: string;
}

export const CONVERSATION_COLUMNS =
  "c.id, c.user_id, c.status, c.created_at, c.updated_at, c.activity_at, c.head_seq, c.head_chosen_at_seq, c.title, c.settings, c.tags, c.metadata";

/**
 * A row of `MESSAGE_COLUMNS` that was read as an array. For pages: making a plain object here takes half
 * the time of the one that the driver makes, which is no record but a dictionary.
 */
export function messageRowOf(values: readonly unknown[]): MessageRow {
  return {
    conversation_id: values[0] as string,
    seq: values[1] as number,
    id: values[2] as string,
    parent_seq: values[3] as number,
    parent_id: values[4] as string | null,
    sibling_index: values[5] as number,
    role: values[6] as MessageRow["role"],
    status: values[7] as MessageRow["status"],
    token_count: values[8] as number,
    created_at: values[9] as number,
    deleted_at: values[10] as number | null,
    user_id: values[11] as string | null,
    character_id: values[12] as string | null,
    client_message_id: values[13] as string | null,
    turn_id: values[14] as string | null,
    finish_reason: values[15] as MessageRow["finish_reason"],
    usage: values[16] as string | null,
    metadata: values[17] as string,
    content: values[18] as string,
  };
}

/** Parses an object; most are empty, and those cost nothing. */
function parseObject<T extends object>(json: string): T {
  return json === "{}" ? ({} as T) : (JSON.parse(json) as T);
}

export const parseSettings = (json: string) => parseObject<ConversationSettings>(json);

export const timeText = (ms: number): string => new Date(ms).toISOString();

export function toMessage(row: MessageRow, siblingsCount: number): Message {
  const message: Message = {
    id: row.id,
    conversation_id: row.conversation_id,
    seq: row.seq,
    parent_id: row.parent_id,
    role: row.role,
    content: row.content,
    status: row.status,
    token_count: row.token_count,
    siblings: { index: row.sibling_index, count: siblingsCount },
    metadata: parseObject<Message["metadata"]>(row.metadata),
    created_at: timeText(row.created_at),
  };
  if (row.user_id !== null) message.user_id = row.user_id;
  if (row.character_id !== null) message.character_id = row.character_id;
  if (row.finish_reason !== null) message.finish_reason = row.finish_reason;
  if (row.turn_id !== null) message.turn_id = row.turn_id;
  if (row.client_message_id !== null) message.client_message_id = row.client_message_id;
  if (row.usage !== null) message.usage = JSON.parse(row.usage) as Usage;
  if (row.deleted_at !== null) message.deleted_at = timeText(row.deleted_at);
  return message;
}

/** A reply always stands below the message that it answers, so its parent is the turn's message. */
export function toTurn(row: ReplyRow): Turn {
  const turn: Turn = {
    id: row.turn_id as string,
    conversation_id: row.conversation_id,
    message_id: row.parent_id as string,
    reply_id: row.id,
    status: row.turn_status,
    character_version: row.character_version,
    created_at: timeText(row.created_at),
  };
  if (row.problem !== null) turn.problem = JSON.parse(row.problem) as ProblemDocument;
  if (row.started_at !== null) turn.started_at = timeText(row.started_at);
  if (row.ended_at !== null) turn.ended_at = timeText(row.ended_at);
  return turn;
}

export function toConversation(
  row: ConversationRow,
  parts: {
    characterIds: string[];
    headId: string | null;
    activeTurnId: string | null;
    messageCount: number;
    lastReadSeq: number;
  },
): Conversation {
  return {
    id: row.id,
    title: row.title,
    status: row.status,
    character_ids: parts.characterIds,
    head_id: parts.headId,
    active_turn_id: parts.activeTurnId,
    message_count: parts.messageCount,
    last_read_seq: parts.lastReadSeq,
    settings: parseSettings(row.settings),
    metadata: parseObject<Conversation["metadata"]>(row.metadata),
    tags: row.tags === "[]" ? [] : (JSON.parse(row.tags) as string[]),
    created_at: timeText(row.created_at),
    updated_at: timeText(Math.max(row.updated_at, row.activity_at)),
  };
}
