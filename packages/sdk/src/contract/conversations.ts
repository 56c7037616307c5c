import * as Type from "typebox";
import { defineRoutes } from "./route.ts";
import {
  Cursor,
  closed,
  Limit,
  listOf,
  Metadata,
  nullable,
  oneOf,
  type Static,
  Tags,
  Time,
  Uuid,
} from "./schema.ts";

/** How replies in a conversation are made; what is absent takes the server's default. */
export const ConversationSettings = closed(
  {
    model: Type.Optional(Type.String({ minLength: 1, maxLength: 200 })),
    temperature: Type.Optional(Type.Number({ minimum: 0, maximum: 2 })),
    top_p: Type.Optional(Type.Number({ minimum: 0, maximum: 1 })),
    max_tokens: Type.Optional(Type.Integer({ minimum: 1, maximum: 100_000 })),
    presence_penalty: Type.Optional(Type.Number({ minimum: -2, maximum: 2 })),
    frequency_penalty: Type.Optional(Type.Number({ minimum: -2, maximum: 2 })),
    seed: Type.Optional(Type.Integer()),
    stop: Type.Optional(Type.Array(Type.String({ minLength: 1, maxLength: 100 }), { maxItems: 16 })),
  },
  "ConversationSettings",
);
export type ConversationSettings = Static<typeof ConversationSettings>;

const Title = Type.String({ maxLength: 200 });

export const Conversation = closed(
  {
    id: Uuid,
    title: Type.String(),
    status: oneOf("active", "archived", "deleted"),
    character_ids: Type.Array(Uuid),
    head_id: nullable(Uuid),
    active_turn_id: nullable(Uuid),
    message_count: Type.Integer({ minimum: 0, description: "Places: siblings, pending, tombstones too." }),
    last_read_seq: Type.Integer({ minimum: 0 }),
    settings: ConversationSettings,
    metadata: Metadata,
    tags: Tags,
    created_at: Time,
    updated_at: Time,
  },
  "Conversation",
);
export type Conversation = Static<typeof Conversation>;

export const conversations = defineRoutes({
  create: {
    method: "POST",
    path: "/api/v2/conversations",
    summary: "Start a conversation; the character's greeting is its first message",
    access: "chat",
    body: closed({
      character_ids: Type.Array(Type.String(), { minItems: 1, maxItems: 100 }),
      title: Type.Optional(Title),
      greeting_index: Type.Optional(
        Type.Integer({ minimum: 0, description: "0 is first_mes, 1 the first alternate greeting." }),
      ),
      settings: Type.Optional(ConversationSettings),
      metadata: Type.Optional(Metadata),
      tags: Type.Optional(Tags),
    }),
    answers: { 201: Conversation },
    problems: ["too_many_characters", "character_deleted"],
  },
  list: {
    method: "GET",
    path: "/api/v2/conversations",
    summary: "My conversations, by last activity",
    access: "chat",
    query: closed({ cursor: Type.Optional(Cursor), limit: Type.Optional(Limit) }),
    answers: { 200: listOf(Conversation, "ConversationList") },
  },
  get: {
    method: "GET",
    path: "/api/v2/conversations/{conversation_id}",
    summary: "One conversation",
    access: "chat",
    answers: { 200: Conversation },
  },
  update: {
    method: "PATCH",
    path: "/api/v2/conversations/{conversation_id}",
    summary: "Change a conversation, or choose the branch in use by head_id",
    access: "chat",
    body: closed({
      title: Type.Optional(Title),
      status: Type.Optional(oneOf("active", "archived")),
      head_id: Type.Optional(Type.String()),
      settings: Type.Optional(ConversationSettings),
      metadata: Type.Optional(Metadata),
      tags: Type.Optional(Tags),
      last_read_seq: Type.Optional(Type.Integer({ minimum: 0 })),
    }),
    answers: { 200: Conversation },
  },
  remove: {
    method: "DELETE",
    path: "/api/v2/conversations/{conversation_id}",
    summary: "Delete a conversation; what runs in it is stopped",
    access: "chat",
    answers: { 204: null },
  },
});
