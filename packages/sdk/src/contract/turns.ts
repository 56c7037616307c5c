import * as Type from "typebox";
import { defineRoutes } from "./route.ts";
import { closed, oneOf, type Static, Time, Uuid } from "./schema.ts";

/** A problem inside a turn. `request_id` is the one of the call that made the turn, or the turn's id. */
export const TurnProblem = Type.Object(
  {
    type: Type.String(),
    title: Type.String(),
    status: Type.Integer(),
    detail: Type.String(),
    code: Type.String(),
    request_id: Type.String(),
    retry_after_s: Type.Optional(Type.Number()),
  },
  { additionalProperties: true, title: "Problem" },
);

export const turnStatuses = ["queued", "running", "completed", "failed", "stopped"] as const;
export type TurnStatus = (typeof turnStatuses)[number];

export const Turn = closed(
  {
    id: Uuid,
    conversation_id: Uuid,
    message_id: Uuid,
    reply_id: Uuid,
    status: oneOf(...turnStatuses),
    problem: Type.Optional(TurnProblem),
    character_version: Type.Integer({ minimum: 1 }),
    created_at: Time,
    started_at: Type.Optional(Time),
    ended_at: Type.Optional(Time),
  },
  "Turn",
);
export type Turn = Static<typeof Turn>;

export const turns = defineRoutes({
  get: {
    method: "GET",
    path: "/api/v2/turns/{turn_id}",
    summary: "One turn",
    access: "chat",
    answers: { 200: Turn },
  },
  stop: {
    method: "POST",
    path: "/api/v2/turns/{turn_id}/stop",
    summary: "Stop a turn; waits up to two seconds for its end",
    access: "chat",
    isBodyOptional: true,
    body: closed({}),
    answers: { 200: Turn },
  },
});

/** The stream of a turn: Server-Sent Events, not JSON, so it stands beside the table. */
export const turnEvents = {
  method: "GET",
  path: "/api/v2/turns/{turn_id}/events",
  summary: "The events of a turn, from the start or after a cursor",
  details:
    "`after`, or the header `Last-Event-ID`, is the cursor of an event: the text goes on from exactly there. The stream closes when the turn has ended.",
  access: "chat",
  streams: "always",
  query: closed({ after: Type.Optional(Type.String({ maxLength: 512 })) }),
  answers: { 200: null },
  problems: ["invalid_cursor"],
} as const;
