import * as Type from "typebox";
import { Conversation } from "./conversations.ts";
import type { TurnEvent } from "./events.ts";
import { Message, messages } from "./messages.ts";
import type { ProblemDocument } from "./problem.ts";
import { Cursor, closed, type Static, Time } from "./schema.ts";
import { TurnProblem } from "./turns.ts";

/**
 * What goes over the socket (`GET /api/v2/realtime`): one JSON object in each text frame. A frame of a
 * client may carry an `id` of its own choice; the frame that answers it carries the same.
 */
const FrameId = Type.String({
  minLength: 1,
  maxLength: 128,
  description: "Of the client's choice; the answer carries the same.",
});

const frame = <const T extends string>(type: T) => ({ type: Type.Literal(type) });
const { content, parent_id, reply, metadata } = messages.send.body.properties;

/** Every frame that a client may send. */
export const clientFrames = {
  "conversation.subscribe": {
    summary:
      "Hear of a conversation. Without `after`: what is running, from its start. With the cursor of an event: the rest of that turn, then what is running. What ended in between is in the list, so subscribe first, then list. A second subscribe replaces the first",
    schema: closed(
      {
        ...frame("conversation.subscribe"),
        id: Type.Optional(FrameId),
        conversation_id: Type.String(),
        after: Type.Optional(Cursor),
      },
      "ConversationSubscribe",
    ),
  },
  "conversation.unsubscribe": {
    summary: "Hear of it no more",
    schema: closed(
      { ...frame("conversation.unsubscribe"), id: Type.Optional(FrameId), conversation_id: Type.String() },
      "ConversationUnsubscribe",
    ),
  },
  "message.send": {
    summary:
      "Send a message, as `POST /api/v2/conversations/{conversation_id}/messages` does; does not subscribe. The `client_message_id` makes it safe to send again after a break",
    schema: closed(
      {
        ...frame("message.send"),
        id: FrameId,
        conversation_id: Type.String(),
        content,
        client_message_id: Type.String({ minLength: 1, maxLength: 128 }),
        parent_id,
        reply,
        metadata,
      },
      "MessageSend",
    ),
  },
  "turn.stop": {
    summary: "Stop a turn; its `ack` comes when it has ended, at the latest after two seconds",
    schema: closed({ ...frame("turn.stop"), id: Type.Optional(FrameId), turn_id: Type.String() }, "TurnStop"),
  },
  ping: {
    summary: "Answered by `pong`",
    schema: closed({ ...frame("ping"), id: Type.Optional(FrameId) }, "Ping"),
  },
} as const;

export type ClientFrame = {
  [K in keyof typeof clientFrames]: Static<(typeof clientFrames)[K]["schema"]>;
}[keyof typeof clientFrames];

const Device = closed(
  {
    id: Type.String({ description: "The same as long as the session or key behind it." }),
    name: Type.String({ description: "Such as `Firefox on Android`, by what it calls itself." }),
    connected_at: Time,
  },
  "Device",
);
/** Where one is signed in with an open socket: a session or a key, however many tabs it has. */
export type Device = Static<typeof Device>;

/** Every frame that the server sends, beside the events of turns. */
export const serverFrames = {
  ack: {
    summary:
      "What was asked is done and, for a message, durable. Beside `id` stand the fields of the HTTP answer's body. A turn has an `id` of its own, so it also comes whole as `turn`. `replayed` is true where an earlier send is answered again",
    schema: Type.Object(
      { ...frame("ack"), id: FrameId, replayed: Type.Optional(Type.Literal(true)) },
      { additionalProperties: true, title: "Ack" },
    ),
  },
  pong: {
    summary: "The answer to `ping`",
    schema: closed({ ...frame("pong"), id: Type.Optional(FrameId) }, "Pong"),
  },
  "message.created": {
    summary: "A message was stored in a subscribed conversation; a reply is told of by its turn instead",
    schema: closed({ ...frame("message.created"), message: Message }, "MessageCreated"),
  },
  "message.deleted": {
    summary: "A message of a subscribed conversation was deleted; here is what is left of it",
    schema: closed({ ...frame("message.deleted"), message: Message }, "MessageDeleted"),
  },
  "conversation.created": {
    summary: "One's own; comes without a subscription",
    schema: closed({ ...frame("conversation.created"), conversation: Conversation }, "ConversationCreated"),
  },
  "conversation.updated": {
    summary:
      "One's own was changed, or something happened in it: a message, the begin or end of a turn. Comes without a subscription; what happens in quick succession is told once",
    schema: closed({ ...frame("conversation.updated"), conversation: Conversation }, "ConversationUpdated"),
  },
  "conversation.deleted": {
    summary: "One's own was deleted; its text is gone. Subscriptions to it have ended",
    schema: closed({ ...frame("conversation.deleted"), conversation: Conversation }, "ConversationDeleted"),
  },
  presence: {
    summary: "One's own devices that are connected now, this one included; comes first, then on each change",
    schema: closed({ ...frame("presence"), devices: Type.Array(Device) }, "Presence"),
  },
  error: {
    summary: "A frame was refused; the socket stays open. `id` is the frame's, where it had one",
    schema: closed({ ...frame("error"), id: Type.Optional(FrameId), problem: TurnProblem }, "ErrorFrame"),
  },
} as const;

type Described = {
  [K in keyof typeof serverFrames]: Static<(typeof serverFrames)[K]["schema"]>;
};

/** Something that happened in a conversation, beside its turns. */
export type MessageFrame = Described["message.created"] | Described["message.deleted"];
/** What comes without a subscription. */
export type OwnFrame =
  | Described["conversation.created"]
  | Described["conversation.updated"]
  | Described["conversation.deleted"]
  | Described["presence"];
export interface ErrorFrame {
  type: "error";
  id?: string;
  problem: ProblemDocument;
}
export type ServerFrame =
  | (Described["ack"] & Record<string, unknown>)
  | Described["pong"]
  | MessageFrame
  | OwnFrame
  | ErrorFrame
  | TurnEvent;

/** Why the server closes a socket, and what a client does about it. */
export const closeCodes = {
  1008: "The session or key behind the socket has ended. Sign in again",
  1009: "A frame was larger than 1 MiB",
  1012: "The server is stopping. Connect again after a short while",
  1013: "The client reads too slowly, so frames would be missing. Connect again and read the lists anew",
} as const;
