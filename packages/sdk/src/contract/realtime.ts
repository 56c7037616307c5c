import * as Type from "typebox";
import { defineRoutes } from "./route.ts";
import { closed, type Static } from "./schema.ts";

const Ticket = closed(
  {
    ticket: Type.String({ description: "Opens one socket, once." }),
    expires_in: Type.Integer({ minimum: 1, description: "Seconds." }),
  },
  "Ticket",
);
export type Ticket = Static<typeof Ticket>;

export const realtime = defineRoutes({
  createTicket: {
    method: "POST",
    path: "/api/v2/realtime/tickets",
    summary: "A ticket that opens one socket",
    details:
      "Single use, within 30 seconds: a browser cannot send a header with a socket, and a credential does not belong into an address. The socket lives as long as the session or key that asked for the ticket.",
    access: "chat",
    hasSecret: true,
    isBodyOptional: true,
    body: closed({}),
    answers: { 201: Ticket },
  },
});

/** The socket itself: no JSON answer, so it stands beside the table. */
export const realtimeSocket = {
  method: "GET",
  path: "/api/v2/realtime",
  summary: "The socket: events of many conversations, sends and stops over one connection",
  details:
    "A WebSocket of JSON text frames, opened by the ticket. What goes over it is in docs/reference/socket.md.",
  access: "public",
  query: closed({ ticket: Type.Optional(Type.String({ maxLength: 128 })) }),
  answers: { 101: null },
  problems: ["unauthenticated", "forbidden", "upgrade_required", "draining", "overloaded"],
} as const;
