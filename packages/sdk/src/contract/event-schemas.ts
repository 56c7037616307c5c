import * as Type from "typebox";
import { resetReasons, type TurnEvent } from "./events.ts";
import { finishReasons, Message, Usage } from "./messages.ts";
import { closed, oneOf, type Static, Uuid } from "./schema.ts";
import { Turn, TurnProblem } from "./turns.ts";

const Epoch = Type.Integer({ minimum: 1, description: "Rises with every attempt at the reply; may skip." });
const Position = Type.String({ description: "Opaque position after this event, to resume from." });
const ofTurn = { conversation_id: Uuid, turn_id: Uuid };

/** Every event of a turn as a schema, in the order in which they come, for the reference. */
export const eventSchemas = {
  "turn.started": {
    summary: "First on every connection; a repeat is harmless",
    schema: closed(
      { type: Type.Literal("turn.started"), ...ofTurn, turn: Turn, message: Message, reply: Message },
      "TurnStarted",
    ),
  },
  "reply.start": {
    summary: "An attempt at the reply begins, or goes on for who resumes",
    schema: closed(
      { type: Type.Literal("reply.start"), ...ofTurn, epoch: Epoch, message_id: Uuid, character_id: Uuid },
      "ReplyStart",
    ),
  },
  "reply.delta": {
    summary: "The next piece of text",
    schema: closed(
      {
        type: Type.Literal("reply.delta"),
        ...ofTurn,
        epoch: Epoch,
        offset: Type.Integer({ minimum: 0, description: "Where the piece begins, in UTF-16 code units." }),
        text: Type.String(),
        cursor: Position,
      },
      "ReplyDelta",
    ),
  },
  "reply.reset": {
    summary: "Drop what was shown of the reply; it begins again under the new epoch",
    schema: closed(
      {
        type: Type.Literal("reply.reset"),
        ...ofTurn,
        epoch: Epoch,
        reason: oneOf(...resetReasons),
        cursor: Position,
      },
      "ReplyReset",
    ),
  },
  "reply.end": {
    summary: "The reply as it is stored; also for a stopped or broken one that has text",
    schema: closed(
      {
        type: Type.Literal("reply.end"),
        ...ofTurn,
        epoch: Epoch,
        message: Message,
        usage: Usage,
        finish_reason: oneOf(...finishReasons),
        cursor: Position,
      },
      "ReplyEnd",
    ),
  },
  "turn.completed": {
    summary: "The reply is whole and stored; the stream closes",
    schema: closed({ type: Type.Literal("turn.completed"), ...ofTurn, turn: Turn }, "TurnCompleted"),
  },
  "turn.stopped": {
    summary: "Someone stopped the turn; the stream closes",
    schema: closed({ type: Type.Literal("turn.stopped"), ...ofTurn, turn: Turn }, "TurnStopped"),
  },
  "turn.failed": {
    summary: "No whole reply came of it; the stream closes",
    schema: closed(
      { type: Type.Literal("turn.failed"), ...ofTurn, turn: Turn, problem: TurnProblem },
      "TurnFailed",
    ),
  },
} as const;

type Described = { [K in keyof typeof eventSchemas]: Static<(typeof eventSchemas)[K]["schema"]> };
type Sent = { [E in TurnEvent as E["type"]]: { [F in keyof E]: unknown } };
type Same<A, B> = [A] extends [B] ? ([B] extends [A] ? true : never) : never;

/** Holds the schemas to the events: the same types with the same fields, or this does not compile. */
export const areEventSchemasWhole: Same<
  { [K in keyof Described]: keyof Described[K] },
  { [K in keyof Sent]: keyof Sent[K] }
> = true;
