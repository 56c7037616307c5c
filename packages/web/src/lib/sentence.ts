import { Problem } from "@parley-chat/sdk";
import { strings } from "../strings.ts";

/** What went wrong and what to do, for a person; and whether the same again can help. */
export interface Sentence {
  text: string;
  canRetry: boolean;
}

export function sentenceOf(error: unknown): Sentence {
  if (!(error instanceof Problem)) return { text: strings.errors.unreachable, canRetry: true };
  if (error.code === "rate_limited") {
    return { text: strings.errors.rateLimited(Math.ceil(error.retryAfterS ?? 60)), canRetry: true };
  }
  const known = (strings.errors.byCode as Partial<Record<string, string>>)[error.code];
  return { text: known ?? error.detail, canRetry: error.retryable };
}
