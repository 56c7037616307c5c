import * as Type from "typebox";
import { defineRoutes } from "./route.ts";
import { Cursor, closed, Limit, Metadata, nullable, oneOf, type Static, Time, Uuid } from "./schema.ts";
import { Turn } from "./turns.ts";

export const MESSAGE_CHARACTERS_MAX = 50_000;

export const Usage = closed(
  {
    prompt_tokens: Type.Integer({ minimum: 0 }),
    completion_tokens: Type.Integer({ minimum: 0 }),
    total_tokens: Type.Integer({ minimum: 0 }),
    estimated: Type.Boolean({ description: "Counted by Parley, the provider reported none." }),
  },
  "Usage",
);
export type Usage = Static<typeof Usage>;

export const finishReasons = ["stop", "length", "content_filter", "stopped", "error"] as const;
export type FinishReason = (typeof finishReasons)[number];

export const Message = closed(
  {
    id: Uuid,
    conversation_id: Uuid,
    seq: Type.Integer({ minimum: 1 }),
    parent_id: nullable(Uuid),
    role: oneOf("user", "assistant", "system"),
    user_id: Type.Optional(Uuid),
    character_id: Type.Optional(Uuid),
    content: Type.String(),
    status: oneOf("pending", "complete", "incomplete", "failed"),
    finish_reason: Type.Optional(oneOf(...finishReasons)),
    turn_id: Type.Optional(Uuid),
    client_message_id: Type.Optional(Type.String()),
    token_count: Type.Integer({ minimum: 0 }),
    usage: Type.Optional(Usage),
    siblings: closed({ index: Type.Integer({ minimum: 0 }), count: Type.Integer({ minimum: 1 }) }),
    metadata: Metadata,
    created_at: Time,
    deleted_at: Type.Optional(Time),
  },
  "Message",
);
export type Message = Static<typeof Message>;

const MessagePage = closed(
  {
    items: Type.Array(Message),
    before_cursor: nullable(Cursor),
    after_cursor: nullable(Cursor),
  },
  "MessagePage",
);
export type MessagePage = Static<typeof MessagePage>;

const Sent = closed({ message: Message, reply: Message, turn: Turn }, "Sent");
const Noted = closed({ message: Message, reply: Type.Null(), turn: Type.Null() }, "Noted");
const Regenerated = closed({ reply: Message, turn: Turn }, "Regenerated");

export const messages = defineRoutes({
  send: {
    method: "POST",
    path: "/api/v2/conversations/{conversation_id}/messages",
    summary: "Send a message; the reply is made in its turn",
    details:
      "202 comes at once, with the place of the reply. With `Accept: text/event-stream` the answer is 200 and the events of the turn. With `reply: false` the message is a note without a turn: 201. Without `parent_id` it follows the head of the branch in use; an edit names the parent of the message that it replaces. A retry with the same `client_message_id` never sends twice, and wins over an `Idempotency-Key`, which is kept with the message: it counts in its own conversation.",
    access: "chat",
    limit: "messages",
    isIdempotentItself: true,
    streams: "on_accept",
    body: closed({
      content: Type.String(),
      client_message_id: Type.Optional(Type.String({ minLength: 1, maxLength: 128 })),
      parent_id: Type.Optional(nullable(Type.String())),
      reply: Type.Optional(Type.Boolean()),
      metadata: Type.Optional(Metadata),
    }),
    answers: { 202: Sent, 201: Noted },
    problems: [
      "client_message_id_reused",
      "idempotency_key_reused",
      "invalid_cursor",
      "conversation_full",
      "conversation_busy",
      "character_deleted",
      "message_too_long",
      "message_exceeds_context",
    ],
  },
  list: {
    method: "GET",
    path: "/api/v2/conversations/{conversation_id}/messages",
    summary: "A page of the branch in use, oldest first; the newest page by default",
    access: "chat",
    query: closed({
      before: Type.Optional(Cursor),
      after: Type.Optional(Cursor),
      limit: Type.Optional(Limit),
      branch: Type.Optional(oneOf("head", "all")),
    }),
    answers: { 200: MessagePage },
    problems: ["invalid_cursor"],
  },
  get: {
    method: "GET",
    path: "/api/v2/messages/{message_id}",
    summary: "One message",
    access: "chat",
    answers: { 200: Message },
  },
  remove: {
    method: "DELETE",
    path: "/api/v2/messages/{message_id}",
    summary: "Delete a message; its place stays, empty",
    access: "chat",
    answers: { 204: null },
    problems: ["in_flight"],
  },
  regenerate: {
    method: "POST",
    path: "/api/v2/messages/{message_id}/regenerate",
    summary: "Another reply beside the one there is",
    access: "chat",
    limit: "messages",
    isIdempotentItself: true,
    isBodyOptional: true,
    body: closed({}),
    answers: { 202: Regenerated },
    problems: ["not_regenerable", "in_flight", "conversation_full", "conversation_busy", "character_deleted"],
  },
});
