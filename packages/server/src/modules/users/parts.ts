import { hash } from "node:crypto";
import type { CallContext, User } from "@parley-chat/sdk/contract";
import { Problem } from "@parley-chat/sdk/contract/problem";
import type { Clock } from "../../kit/clock.ts";
import type { Limits } from "../../kit/limits.ts";
import { addressKey } from "../../kit/limits.ts";
import { hasNulOrLoneSurrogate } from "../../kit/text.ts";
import type { Sql } from "../../ports/sql/sql.ts";
import type { Passwords } from "./password.ts";
import type { Revocations } from "./revocations.ts";
import type { Tokens } from "./tokens.ts";
import { emailKey, type UserRow } from "./users.repository.ts";

/** What the parts of this module share. */
export interface UsersParts {
  sql: Sql;
  clock: Clock;
  random(bytes: number): Uint8Array;
  passwords: Passwords;
  tokens: Tokens;
  revocations: Revocations;
  signIns: SignInLimits;
  settings: UsersSettings;
}

export interface UsersSettings {
  readonly registration: "open" | "closed";
  readonly ownerEmail: string;
  /** The `API_KEY` setting: any text; acts as the owner. */
  readonly environmentApiKey?: string | undefined;
  /** Default 30 for an address; 0 turns the limit off. */
  readonly signInsPerMinuteMax?: number;
}

export interface SignInLimits {
  /** Counts a sign-in or registration of the caller's address; throws `rate_limited`. */
  countAddress(context: CallContext): Promise<void>;
  /**
   * Counts a try of an account's password, from wherever it comes; throws `rate_limited`. Returns the
   * function that takes it back, for the password was right.
   */
  countTry(account: string): Promise<() => Promise<void>>;
}

export function createSignInLimits(byAddress: Limits, byAccount: Limits): SignInLimits {
  return {
    async countAddress(context) {
      const taken = await byAddress.take(addressKey(context.address));
      context.showLimit(taken.state);
      if (!taken.ok) throw taken.problem;
    },
    async countTry(account) {
      const taken = await byAccount.take(sha256(account));
      if (!taken.ok) throw taken.problem;
      return taken.refund;
    },
  };
}

/** Hex. For what was random enough to begin with. */
export const sha256 = (text: string): string => hash("sha256", text);

export const timeText = (ms: number): string => new Date(ms).toISOString();

/** Throws `validation_failed` for a text that cannot be stored in every database. */
export function checkText(path: string, text: string | undefined): void {
  if (text !== undefined && hasNulOrLoneSurrogate(text)) {
    throw Problem.invalid(path, "must not hold NUL or half of a surrogate pair");
  }
}

/** An answer with a secret is given once; a repeat is told what the first call made. */
export const secretNotReplayed = (what: string, id: string): Problem =>
  new Problem(
    "secret_not_replayed",
    `The first call with this Idempotency-Key made the ${what} ${id}; its secret is shown only once.`,
  );

export const accountGone = (): Problem => new Problem("unauthenticated", "This account is gone.");

/** Names an account for the limit on tries, whether it exists or not. */
export const accountName = (email: string): string => `email:${emailKey(email)}`;

export function toUser(row: UserRow): User {
  return {
    id: row.id,
    email: row.email,
    display_name: row.display_name,
    role: row.role,
    ...(row.locale !== null && { locale: row.locale }),
    ...(row.time_zone !== null && { time_zone: row.time_zone }),
    created_at: timeText(row.created_at),
  };
}
