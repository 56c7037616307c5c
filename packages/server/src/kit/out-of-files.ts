import { Problem } from "@parley-chat/sdk/contract/problem";

const RETRY_AFTER_S = 5;

/** Whether a call failed because this process, or its machine, may open no more files and connections. */
export function isOutOfFiles(error: unknown): boolean {
  const { code, message } = (error ?? {}) as { code?: unknown; message?: unknown };
  if (code === "EMFILE" || code === "ENFILE") return true;
  // What loads modules tells it in words of its own.
  return typeof message === "string" && message.includes("too many open files");
}

/** What an error comes to for who called: a passing one where no file could be opened, else as `Problem.from`. */
export function problemOf(error: unknown): Problem {
  if (error instanceof Problem || !isOutOfFiles(error)) return Problem.from(error);
  return new Problem("overloaded", "The server can open no more files just now; try again in a moment.", {
    cause: error,
    retryAfterS: RETRY_AFTER_S,
  });
}
