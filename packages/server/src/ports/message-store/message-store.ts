import type {
  Conversation,
  ConversationSettings,
  FinishReason,
  Message,
  ProblemDocument,
  Turn,
  Usage,
} from "@parley-chat/sdk/contract";

/**
 * Conversations, their message trees and the turns in them: the one truth per turn.
 *
 * Guarantees of every implementation:
 * - A promise of a writing method resolves only once what it says is durable (synced).
 * - No method spans several documents in one transaction that callers could see half of: each is a row
 *   of steps, any of which may be the last before a kill, and what is missing is recreated by a repeat
 *   of the call, by `repair`, or by the next reader. Nothing acknowledged is lost or doubled by that.
 * - Places: a send takes two consecutive `seq` of its conversation (its own and its reply's), a note and
 *   a regeneration one. `seq` starts at 1 and has no holes; (conversation, seq) is the one unique key
 *   that order rests on. No place above a missing reply shows before the reply does.
 * - What belongs to another user, or to a deleted conversation, reads as missing (null, `not_found`).
 * - Reads see every write that was acknowledged before.
 * - A store that cannot write rejects with the problem `storage_unavailable`; reads go on. Where it is
 *   worth trying again by and by the problem says after how long; without that (a damaged file) it is not.
 * Times are milliseconds since 1970; what goes out is in the form of the wire contract.
 */
export interface MessageStore {
  readonly name: string;

  /**
   * Idempotent by `id`: a repeat gives what is there, and rejects with `not_found` where that was deleted.
   * The greeting, if any, is seq 1.
   */
  createConversation(conversation: NewConversation): Promise<{ conversation: Conversation; isNew: boolean }>;
  conversation(id: string, userId: string): Promise<Conversation | null>;
  /** By last activity, newest first, deleted ones left out. `limit` 1 to 200. */
  listConversations(query: {
    userId: string;
    limit: number;
    cursor: string | null;
  }): Promise<{ items: Conversation[]; nextCursor: string | null }>;
  /** `no_message`: `headId` is not a message of this conversation. A head is chosen as the newest leaf below it. */
  updateConversation(
    id: string,
    userId: string,
    changes: ConversationChanges,
    at: number,
  ): Promise<Conversation | "not_found" | "no_message">;
  /**
   * Marks it deleted, for good; everything in it then reads as missing, its text is emptied by and by
   * (`repair`). Returns the ids of turns that had not ended, for the caller to stop. Idempotent: true in
   * `wasThere` also for one's own that is deleted already.
   */
  deleteConversation(
    id: string,
    userId: string,
    at: number,
  ): Promise<{ wasThere: boolean; openTurnIds: string[] }>;

  /** What a send or regeneration needs to know first; null where `conversation` would be null. */
  sendTarget(id: string, userId: string): Promise<SendTarget | null>;
  /** An earlier send or regeneration with this client id or request key; the client id wins. */
  findAccepted(
    conversationId: string,
    keys: { clientMessageId: string | null; requestKey: string | null },
  ): Promise<Accepted | null>;
  /**
   * Stores a send in one atomic step: the message's row is the truth and carries what its turn needs.
   * Looks for its keys again inside that step, so two at once make one. `existing` may differ in
   * content: the caller compares.
   */
  accept(send: NewSend): Promise<AcceptResult>;
  /** Stores the place of another reply beside the ones there are. */
  acceptRegeneration(regeneration: NewRegeneration): Promise<RegenerateResult>;

  message(id: string, userId: string): Promise<Message | null>;
  /** The newest page without bounds; bounds are exclusive. Oldest first inside. `limit` 1 to 200. */
  page(query: PageQuery): Promise<Page>;
  /** Leaves a tombstone: the place and the hash stay, the text goes. Repeats are `deleted` too. */
  deleteMessage(id: string, userId: string, at: number): Promise<"deleted" | "in_flight" | "not_found">;

  /**
   * The branch that ends in place `leafSeq`, read downwards in one range scan by seq that skips what is
   * not on it, until `tokensMax` is spent (each message costs its `tokenCount` + `messageOverheadTokens`).
   * Failed, pending and deleted messages are left out. Oldest first.
   */
  context(query: {
    conversationId: string;
    leafSeq: number;
    tokensMax: number;
    messageOverheadTokens: number;
  }): Promise<{ messages: ContextMessage[]; isWhole: boolean }>;

  turn(id: string, userId: string): Promise<Turn | null>;
  /**
   * A turn with both its messages and the epoch of its last claim (0 before the first). With `userId`
   * null whoever owns it: for the engine, never for a caller.
   */
  turnState(id: string, userId: string | null): Promise<TurnState | null>;
  /** The running or oldest queued turn of a conversation, or null. */
  activeTurnId(conversationId: string): Promise<string | null>;

  /**
   * Takes a turn: queued ones, and running ones whose lease is over or, with `isSoleProcess`, that
   * another owner left behind. Raises the epoch, durable before it resolves. Null when it has ended, is
   * held by another, or an earlier turn of its conversation has not ended. With `countsAsAttempt` false
   * only the epoch rises: for ending a turn without another attempt, also behind an earlier one.
   */
  claim(claim: {
    turnId: string;
    owner: string;
    isSoleProcess: boolean;
    countsAsAttempt: boolean;
    characterVersion: number | null;
    at: number;
    leaseUntil: number;
  }): Promise<Claim | null>;
  /** Raises the epoch of one's own running claim for another attempt; null when fenced or ended. */
  nextAttempt(turnId: string, epoch: number, at: number): Promise<{ epoch: number; attempts: number } | null>;
  /** Prolongs leases, or gives them back by a time that is over; returns the ids of those no longer held. */
  renew(held: readonly { turnId: string; epoch: number }[], leaseUntil: number): Promise<string[]>;
  /**
   * Ends a turn: reply and outcome in one step, guarded by the epoch. The first stored outcome wins:
   * `already` returns it, for the caller to adopt. `fenced`: someone else runs it now. In a conversation
   * that was deleted it is stored and returned as stopped, without its text.
   */
  complete(turnId: string, epoch: number, outcome: Outcome): Promise<CompleteResult>;
  /** Stores the wish; null where there is no such turn. The turn as it stands is returned. */
  requestStop(turnId: string, userId: string, at: number): Promise<Turn | null>;
  /** Turns that have not ended, by conversation and seq, behind the place `after`. `limit` 1 to 1,000. */
  openTurns(query: {
    after: Pick<OpenTurn, "conversationId" | "seq"> | null;
    limit: number;
  }): Promise<OpenTurn[]>;

  /**
   * Recreates missing replies, and empties text of deleted conversations; a bounded piece of work per
   * call. Returns whether there is more.
   */
  repair(): Promise<{ repliesRecreated: number; hasMore: boolean }>;
  /** A durable write of nothing, for `/ready`. */
  probe(): Promise<void>;
  close(): Promise<void>;
}

export interface NewConversation {
  id: string;
  userId: string;
  characterId: string;
  title: string;
  settings: ConversationSettings;
  metadata: Record<string, unknown>;
  tags: string[];
  greeting: { id: string; content: string; contentHash: string; tokenCount: number } | null;
  at: number;
}

export interface ConversationChanges {
  title?: string;
  status?: "active" | "archived";
  headId?: string;
  settings?: ConversationSettings;
  metadata?: Record<string, unknown>;
  tags?: string[];
  lastReadSeq?: number;
}

export interface SendTarget {
  conversationId: string;
  characterId: string;
  settings: ConversationSettings;
}

export interface NewSend {
  conversationId: string;
  userId: string;
  message: {
    id: string;
    content: string;
    /** Hex SHA-256 of the content; kept when the text is gone. */
    contentHash: string;
    tokenCount: number;
    metadata: Record<string, unknown>;
    clientMessageId: string | null;
    /** Hash of principal-scoped Idempotency-Key. */
    requestKey: string | null;
  };
  /** Absent: the head. Null: a root. */
  parentId?: string | null;
  /** Null for a note. */
  turn: { id: string; replyId: string; characterId: string; characterVersion: number } | null;
  /**
   * Who takes the turn in the same step, as `claim` would with `countsAsAttempt`, if no other of its
   * conversation is open; null: nobody yet.
   */
  claim: { owner: string; leaseUntil: number } | null;
  at: number;
  /** How many places the conversation has in all, e.g. 10,000. */
  placesMax: number;
  /** How many turns may be open after this one, the running one included, e.g. 33. */
  openTurnsMax: number;
}

export interface NewRegeneration {
  userId: string;
  /** A reply, or a user's message. */
  messageId: string;
  turn: { id: string; replyId: string; characterId: string; characterVersion: number };
  requestKey: string | null;
  at: number;
  placesMax: number;
  openTurnsMax: number;
}

export interface Accepted {
  /** For a regeneration: the user's message that its reply answers, if there is one. */
  message: Message;
  reply: Message | null;
  turn: Turn | null;
  contentHash: string;
}

export type AcceptResult =
  /** `claim` is what it came to; `turn` is shown as it was before. */
  | ({ kind: "accepted"; claim: Claim | null } & Accepted)
  | ({ kind: "existing" } & Accepted)
  | { kind: "full" | "busy" | "not_found" | "no_parent" };

export type RegenerateResult =
  | { kind: "accepted" | "existing"; reply: Message; turn: Turn }
  | { kind: "full" | "busy" | "not_found" | "not_regenerable" | "in_flight" };

export interface PageQuery {
  conversationId: string;
  /** `head`: the branch in use. `all`: everything by seq. */
  branch: "head" | "all";
  beforeSeq: number | null;
  afterSeq: number | null;
  limit: number;
}

export interface Page {
  items: Message[];
  hasBefore: boolean;
  hasAfter: boolean;
}

export interface ContextMessage {
  seq: number;
  role: "user" | "assistant" | "system";
  content: string;
  tokenCount: number;
}

export interface TurnState {
  turn: Turn;
  message: Message;
  reply: Message;
  epoch: number;
  userId: string;
}

export interface Claim extends TurnState {
  /** Attempts begun, this one included. */
  attempts: number;
  isStopRequested: boolean;
  isConversationDeleted: boolean;
  settings: ConversationSettings;
  characterId: string;
}

/** One call to a model for a turn. */
export interface AttemptRecord {
  epoch: number;
  provider: string;
  model: string;
  promptTokens: number;
  completionTokens: number;
  startedAt: number;
  firstTextAt: number | null;
  endedAt: number;
  /** A problem code, or null where it went well. */
  error: string | null;
}

export interface Outcome {
  status: "completed" | "failed" | "stopped";
  /** complete, incomplete (text so far) or failed (nothing said). */
  replyStatus: "complete" | "incomplete" | "failed";
  content: string;
  contentHash: string;
  tokenCount: number;
  finishReason: FinishReason;
  usage: Usage | null;
  problem: ProblemDocument | null;
  attempts: AttemptRecord[];
  /** Hash of the prompt that was sent; null where none was. */
  promptHash: string | null;
  at: number;
}

export type CompleteResult =
  | { kind: "stored" | "already"; turn: Turn; reply: Message; epoch: number }
  | { kind: "fenced" };

export interface OpenTurn {
  turnId: string;
  conversationId: string;
  characterId: string;
  /** Of its reply's place. */
  seq: number;
}
