import type { FinishReason, Message, Usage } from "./messages.ts";
import type { ProblemDocument } from "./problem.ts";
import type { Turn } from "./turns.ts";

/**
 * The stream of a turn, the same over Server-Sent Events (event name = `type`) and sockets.
 * `epoch` rises with every attempt at the reply. `offset` counts UTF-16 code units from the start of
 * the reply and never falls inside a surrogate pair. `cursor` is the opaque position after the event.
 */
export type TurnEvent =
  | TurnStarted
  | ReplyStart
  | ReplyDelta
  | ReplyReset
  | ReplyEnd
  | TurnCompleted
  | TurnStopped
  | TurnFailed;

interface OfTurn {
  conversation_id: string;
  turn_id: string;
}

/** First on every connection; repeats are harmless. */
export interface TurnStarted extends OfTurn {
  type: "turn.started";
  turn: Turn;
  message: Message;
  reply: Message;
}

export interface ReplyStart extends OfTurn {
  type: "reply.start";
  epoch: number;
  message_id: string;
  character_id: string;
}

export interface ReplyDelta extends OfTurn {
  type: "reply.delta";
  epoch: number;
  offset: number;
  text: string;
  cursor: string;
}

export const resetReasons = ["restarted", "failover", "adopted", "resume_expired", "unknown_cursor"] as const;
export type ResetReason = (typeof resetReasons)[number];

/** Drop what was shown of the reply; it begins again under the new epoch. */
export interface ReplyReset extends OfTurn {
  type: "reply.reset";
  epoch: number;
  reason: ResetReason;
  cursor: string;
}

/** The reply as it is stored; also for a stopped or broken reply that has text. */
export interface ReplyEnd extends OfTurn {
  type: "reply.end";
  epoch: number;
  message: Message;
  usage: Usage;
  finish_reason: FinishReason;
  cursor: string;
}

export interface TurnCompleted extends OfTurn {
  type: "turn.completed";
  turn: Turn;
}

export interface TurnStopped extends OfTurn {
  type: "turn.stopped";
  turn: Turn;
}

export interface TurnFailed extends OfTurn {
  type: "turn.failed";
  turn: Turn;
  problem: ProblemDocument;
}

/** After one of these the stream of the turn closes. */
export const closingEvents: ReadonlySet<TurnEvent["type"]> = new Set([
  "turn.completed",
  "turn.stopped",
  "turn.failed",
]);
