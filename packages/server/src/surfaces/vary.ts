import type { FastifyReply } from "fastify";

/** Adds to the headers of a request that its answer depends on, beside those that others have named. */
export function addVary(reply: FastifyReply, names: string): void {
  reply.header("vary", [reply.getHeader("vary"), names].filter(Boolean).join(", "));
}
