import type { Message, Turn } from "@parley-chat/sdk";

/**
 * The record of a run, from four witnesses: what clients called and heard, what streams showed, what the
 * model was asked and said, and what the store holds at the end. Times are any one clock's milliseconds.
 */
export interface History {
  /** Each call of a send; a retry is a call of its own. */
  sends: SendCall[];
  regenerations: RegenerateCall[];
  /** Of messages, and of whole conversations. */
  removals: RemoveCall[];
  stops: StopCall[];
  imports: ImportCall[];
  /** Whole conversations as they were read. */
  reads: ListCall[];
  streams: StreamRecord[];
  /** What the model was asked and how far it came, in the order of the calls. */
  wall: WallCall[];
  /** When the server was killed. */
  kills: number[];
  /** What no promise allows for: answers 5xx that no kill explains, an end that nobody asked for. */
  faults: string[];
  /** Conversations at the end; null where there is none of this id any more. */
  final: Record<string, { messages: Message[]; turns: Turn[] } | null>;
  /** Pictures at the end, once swept; null where nobody looked. */
  pictures: PicturesAtEnd | null;
  attemptsMax: number;
}

export interface Call {
  invokedAt: number;
  settledAt: number;
  /** The code with which it was refused. */
  refused?: string;
}

export interface SendCall extends Call {
  conversationId: string;
  clientMessageId: string;
  content: string;
  /** Where it is named: an edit, or a root. */
  parentId?: string | null;
  /** Null where it is not known whether it was done: no answer came. Without reply and turn it is a note. */
  ok: { messageId: string; replyId: string | null; turnId: string | null; seq: number } | null;
}

export interface RegenerateCall extends Call {
  conversationId: string;
  /** The reply beside which another is to stand. */
  messageId: string;
  key: string;
  ok: { replyId: string; turnId: string; seq: number } | null;
}

export interface RemoveCall extends Call {
  conversationId: string;
  /** Null: the whole conversation. */
  messageId: string | null;
  ok: boolean;
}

export interface StopCall extends Call {
  turnId: string;
  ok: { status: Turn["status"]; isEnded: boolean } | null;
  /** The time of day by which the wish was stored for certain, where that is known of a call without an answer. */
  storedBy: number | null;
}

export interface ImportCall extends Call {
  /** The name in the card; every card has another. */
  name: string;
  ok: { characterId: string } | null;
}

export interface PicturesAtEnd {
  /** Names of all characters that were imported. */
  names: string[];
  /** Names of those whose picture can be read. */
  shown: string[];
  /** Blobs that no character shows. */
  dangling: number;
}

export interface ListCall {
  client: string;
  conversationId: string;
  invokedAt: number;
  settledAt: number;
  /** Null: there is no such conversation. */
  messages: Message[] | null;
}

export interface StreamRecord {
  turnId: string;
  /** What its screen wrote down. */
  violations: readonly string[];
  /** The event that closed it, null where it broke off. */
  end: string | null;
  text: string;
}

export interface WallCall {
  clientMessageId: string;
  /** All that was said. */
  text: string;
  /** The terminal marker was sent. */
  isFinished: boolean;
}

export interface Violation {
  /** The promise of reliability.md that is broken; R17: no input ends the server or makes it fail. */
  promise: "I1" | "I2" | "I3" | "I4" | "I5" | "I6" | "I8" | "I12" | "I15" | "I19" | "R17";
  what: string;
}

export const emptyHistory = (attemptsMax: number): History => ({
  sends: [],
  regenerations: [],
  removals: [],
  stops: [],
  imports: [],
  reads: [],
  streams: [],
  wall: [],
  kills: [],
  faults: [],
  final: {},
  pictures: null,
  attemptsMax,
});
