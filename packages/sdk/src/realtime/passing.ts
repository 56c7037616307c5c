import { Problem, type ProblemCode } from "../contract/index.ts";

/** Refusals that pass by themselves; any other is final. */
const PASSING: ReadonlySet<ProblemCode> = new Set(["draining", "storage_unavailable", "overloaded"]);
const RETRY_MS = 1_000;

/** When to ask again after a refusal that passes; null where the refusal is final, or it was none. */
export function retryInMs(error: unknown): number | null {
  if (!(error instanceof Problem) || !PASSING.has(error.code)) return null;
  return (error.retryAfterS ?? 0) * 1_000 + RETRY_MS;
}
