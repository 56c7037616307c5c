import { Problem } from "@parley-chat/sdk/contract/problem";
import type { FastifyReply, FastifyRequest } from "fastify";

/** Smaller bodies do not count. */
const SMALL_BYTES = 64 * 1024;
/** All bodies that come in or are being worked on, together. */
const BYTES_MAX = 192 * 1024 ** 2;
/** Those of one user, or of one address where nobody is signed in. */
const CALLER_BYTES_MAX = 48 * 1024 ** 2;
const RETRY_AFTER_S = 2;

/**
 * Bounds what large bodies hold in memory: each takes its room before its first byte is read, as its
 * length says or else as much as it may have, and gives it back when its call is over.
 */
export function createBodyRoom({ bytesMax = BYTES_MAX, callerBytesMax = CALLER_BYTES_MAX } = {}) {
  const taken = new Map<string, number>();
  let all = 0;

  /** Throws `overloaded` where there is no room. */
  function take(caller: string, bytes: number): () => void {
    const own = taken.get(caller) ?? 0;
    // A body alone is never too large: its own limit says that.
    if (own > 0 && own + bytes > callerBytesMax) {
      throw full("You are sending too much at once; wait until an upload of yours is through.");
    }
    if (all > 0 && all + bytes > bytesMax)
      throw full("Too much is being sent just now; try again in a moment.");
    taken.set(caller, own + bytes);
    all += bytes;
    return () => {
      all -= bytes;
      const left = (taken.get(caller) ?? 0) - bytes;
      if (left > 0) taken.set(caller, left);
      else taken.delete(caller);
    };
  }

  return {
    take,
    /** For a call whose body was not read yet. */
    admit(request: FastifyRequest, { raw }: FastifyReply, bodyBytesMax: number): void {
      const length = request.headers["content-length"];
      const bytes = length === undefined ? bodyBytesMax : Math.min(Number(length) || 0, bodyBytesMax);
      const hasBody = length !== undefined || request.headers["transfer-encoding"] !== undefined;
      // Whoever left while it was asked who they are sends nothing, and would never give the room back.
      if (!hasBody || bytes <= SMALL_BYTES || raw.destroyed) return;
      raw.once("close", take(request.principal?.userId ?? request.ip, bytes));
    },
  };
}

export type BodyRoom = ReturnType<typeof createBodyRoom>;

const full = (detail: string) => new Problem("overloaded", detail, { retryAfterS: RETRY_AFTER_S });
