/**
 * The one table of what can go wrong, and the one error class (RFC 9457).
 * A new problem is a row here and nothing else.
 */
export const problems = {
  invalid_json: [400, "The body is not valid JSON", false],
  malformed_request: [400, "The request is not well-formed HTTP", false],
  several_credentials: [400, "More than one credential was sent", false],
  unauthenticated: [401, "Sign in first", false],
  forbidden: [403, "This credential may not do that", false],
  not_owner: [403, "Only the owner may change this", false],
  not_found: [404, "There is nothing here", false],
  request_timeout: [408, "The request did not arrive in time", true],
  email_taken: [409, "This e-mail address has an account", false],
  client_message_id_reused: [409, "This client_message_id belongs to another message", false],
  conversation_full: [409, "The conversation has no place left", false],
  conversation_busy: [409, "Too many replies are waiting in this conversation", true],
  character_deleted: [409, "The character was deleted", false],
  not_regenerable: [409, "This message cannot be regenerated", false],
  in_flight: [409, "This is still running", true],
  secret_not_replayed: [409, "An answer that holds a secret is given once", false],
  version_conflict: [412, "The version has changed", false],
  message_too_long: [413, "The message is too long", false],
  payload_too_large: [413, "The body is too large", false],
  unsupported_type: [415, "This content type is not understood", false],
  validation_failed: [422, "The request does not fit its schema", false],
  invalid_cursor: [422, "The cursor is malformed", false],
  invalid_card: [422, "The character card cannot be read", false],
  too_many_characters: [422, "A conversation holds one character for now", false],
  message_exceeds_context: [422, "The message does not fit the model's window", false],
  idempotency_key_reused: [422, "This Idempotency-Key was used with another body", false],
  upgrade_required: [426, "This address takes WebSockets", false],
  head_too_large: [431, "The head of the request is too large", false],
  rate_limited: [429, "Too many requests", true],
  internal: [500, "Something went wrong on our side", true],
  provider_unavailable: [503, "The model provider cannot be reached", true],
  provider_error: [502, "The model provider answered with an error", true],
  provider_truncated: [502, "The model provider broke off its answer", true],
  provider_timeout: [504, "The model provider took too long", true],
  empty_reply: [502, "The model gave an empty reply", true],
  attempts_exhausted: [500, "Every attempt at this reply was cut short", true],
  storage_unavailable: [503, "The data store cannot be written", true],
  draining: [503, "The server is stopping", true],
  overloaded: [503, "The server has too much to do", true],
} as const satisfies Record<string, readonly [status: number, title: string, retryable: boolean]>;

export type ProblemCode = keyof typeof problems;

/** One field that does not fit: `path` is dotted (`character_ids.0`), `message` says what to do. */
export interface FieldError {
  path: string;
  message: string;
}

/** A problem as it goes over the wire, in answers, frames and `turn.failed`. */
export interface ProblemDocument {
  type: string;
  title: string;
  status: number;
  detail: string;
  code: ProblemCode;
  request_id: string;
  errors?: FieldError[];
  retry_after_s?: number;
}

export interface ProblemExtras {
  errors?: FieldError[];
  /** Seconds until a retry makes sense; sent as `Retry-After` too. */
  retryAfterS?: number;
  /** For the log only, never shown. */
  cause?: unknown;
}

export class Problem extends Error {
  override readonly name = "Problem";
  readonly code: ProblemCode;
  readonly status: number;
  readonly title: string;
  /** Public: shown to the caller as it stands. */
  readonly detail: string;
  readonly retryable: boolean;
  readonly errors: FieldError[] | undefined;
  readonly retryAfterS: number | undefined;

  constructor(code: ProblemCode, detail?: string, extras: ProblemExtras = {}) {
    const [status, title, retryable] = problems[code];
    super(detail ?? `${title}.`, extras.cause === undefined ? undefined : { cause: extras.cause });
    this.code = code;
    this.status = status;
    this.title = title;
    this.detail = detail ?? `${title}.`;
    this.retryable = retryable;
    this.errors = extras.errors;
    this.retryAfterS = extras.retryAfterS;
  }

  toDocument(requestId: string): ProblemDocument {
    return {
      type: `/docs/problems#${this.code}`,
      title: this.title,
      status: this.status,
      detail: this.detail,
      code: this.code,
      request_id: requestId,
      ...(this.errors && { errors: this.errors }),
      ...(this.retryAfterS !== undefined && { retry_after_s: this.retryAfterS }),
    };
  }

  /** The problem that a document tells of; a code that this version does not know becomes `internal`. */
  static fromDocument(document: ProblemDocument): Problem {
    return new Problem(document.code in problems ? document.code : "internal", document.detail, {
      ...(document.errors && { errors: document.errors }),
      ...(document.retry_after_s !== undefined && { retryAfterS: document.retry_after_s }),
    });
  }

  /** What is not a `Problem` becomes `internal` with a fixed text; the cause stays private. */
  static from(error: unknown): Problem {
    return error instanceof Problem ? error : new Problem("internal", undefined, { cause: error });
  }

  /** One field of the input that does not fit. */
  static invalid(path: string, message: string): Problem {
    const what = path === "" ? "The body" : path;
    return new Problem("validation_failed", `${what} ${message}.`, { errors: [{ path, message }] });
  }
}
