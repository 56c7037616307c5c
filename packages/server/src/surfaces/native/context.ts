import type { CallContext, LimitState } from "@parley-chat/sdk/contract";
import type { FastifyReply, FastifyRequest } from "fastify";

export interface NewCall {
  idempotencyKey: string | undefined;
  newId(): string;
}

/** Makes the context that a module's method is given, over a request and its answer. */
export function createContext(request: FastifyRequest, reply: FastifyReply, call: NewCall): CallContext {
  const ifMatch = request.headers["if-match"];
  return {
    principal: request.principal,
    requestId: request.id,
    address: request.ip,
    idempotencyKey: call.idempotencyKey,
    ifMatch,
    newId: call.newId,
    markReplayed: () => void reply.header("idempotent-replayed", "true"),
    showLimit: (state) => showLimit(reply, state),
  };
}

/** RateLimit header fields of the IETF draft: every policy, and the one that is nearest its end. */
function showLimit(reply: FastifyReply, { policies }: LimitState): void {
  const tightest = [...policies].sort((a, b) => a.remaining - b.remaining)[0];
  if (!tightest) return;
  reply.header("ratelimit-policy", policies.map((p) => `"${p.name}";q=${p.max};w=${p.windowS}`).join(", "));
  reply.header("ratelimit", `"${tightest.name}";r=${tightest.remaining};t=${tightest.resetS}`);
}
