import { randomBytes } from "node:crypto";
import type { Api, keys, sessions, users } from "@parley-chat/sdk/contract";
import type { Clock } from "../../kit/clock.ts";
import { type Counters, createLimits } from "../../kit/limits.ts";
import type { PubSub } from "../../ports/pubsub/pubsub.ts";
import type { Sql } from "../../ports/sql/sql.ts";
import { type Accounts, createAccounts, type Owned } from "./accounts.ts";
import { type Authenticator, createAuthenticator } from "./authenticate.ts";
import { createKeys } from "./keys.ts";
import { createSignInLimits, type UsersParts, type UsersSettings } from "./parts.ts";
import { createPasswords } from "./password.ts";
import { createRevocations, type Revocation } from "./revocations.ts";
import { createSessions, type Sessions } from "./sessions.ts";
import { createTokens } from "./tokens.ts";

export type { Owned } from "./accounts.ts";
export type { CredentialHeaders } from "./authenticate.ts";
export type { UsersSettings } from "./parts.ts";
export type { Revocation } from "./revocations.ts";

export interface Users {
  readonly users: Api<typeof users>;
  readonly sessions: Api<typeof sessions>;
  readonly keys: Api<typeof keys>;
  /** Who sent these headers. Throws `several_credentials` or `unauthenticated`. */
  readonly authenticate: Authenticator["authenticate"];
  /** The same at once, where nothing has to be asked for; else null. */
  readonly recall: Authenticator["recall"];
  /** Whether a principal may still act; open streams ask every second. Rejects as the store does. */
  readonly isAlive: Authenticator["isAlive"];
  /** Hears, before the revoking call is answered, of what ended; returns the function that stops it. */
  onRevoked(listener: (revocation: Revocation) => void): () => void;
  /** Makes the owner's account at the first start, or gives it a changed e-mail; returns its id. */
  readonly ensureOwner: Accounts["ensureOwner"];
  /** A code that signs the owner in once, within an hour. */
  readonly createSignInCode: Sessions["createSignInCode"];
  /** Empty where there is none. */
  readonly displayName: Accounts["displayName"];
  readonly isOwner: Accounts["isOwner"];
  /** Drops what is outdated and finishes erasures that were cut short; at start and every minute. */
  readonly sweep: Accounts["sweep"];
  close(): void;
}

/**
 * Accounts, sessions, keys, and the one function that says who is calling.
 *
 * @param options.kv counts sign-ins; without it they are not limited
 * @param options.secret at least 32 random bytes, kept as long as the data; every token rests on it
 */
export function createUsers(options: {
  sql: Sql;
  kv?: Counters;
  pubsub: PubSub;
  clock: Clock;
  newId(): string;
  secret: Uint8Array;
  settings: UsersSettings;
  owned: Owned;
  random?: (bytes: number) => Uint8Array;
}): Users {
  const { sql, clock, newId, secret, settings, random = randomBytes } = options;
  const revocations = createRevocations({ pubsub: options.pubsub, newId });
  const tokens = createTokens({ secret, clock });
  const passwords = createPasswords({ random });
  const signIns = signInLimits(options);
  const parts: UsersParts = { sql, clock, random, passwords, tokens, revocations, signIns, settings };
  const sessions = createSessions(parts);
  const keys = createKeys(parts);
  const accounts = createAccounts({ ...parts, newId }, { sessions, keys, owned: options.owned });
  const { environmentApiKey } = settings;
  const authenticator = createAuthenticator({ sql, clock, tokens, revocations, environmentApiKey });

  return {
    users: accounts.calls,
    sessions: sessions.calls,
    keys: keys.calls,
    authenticate: authenticator.authenticate,
    recall: authenticator.recall,
    isAlive: authenticator.isAlive,
    onRevoked: (listener) =>
      revocations.listen((news) => {
        if (!("changedId" in news)) listener(news);
      }),
    ensureOwner: accounts.ensureOwner,
    createSignInCode: sessions.createSignInCode,
    displayName: accounts.displayName,
    isOwner: accounts.isOwner,
    sweep: accounts.sweep,
    close() {
      authenticator.close();
      revocations.close();
    },
  };
}

function signInLimits({ kv, clock, settings }: { kv?: Counters; clock: Clock; settings: UsersSettings }) {
  const max = kv ? (settings.signInsPerMinuteMax ?? 30) : 0;
  const counters = kv ?? { count: async () => ({ count: 0, resetMs: 0 }) };
  const limits = (name: string, what: string) =>
    createLimits({ kv: counters, clock, what, policies: [{ name, max, windowMs: 60_000 }] });
  // An address is easily changed, so wrong passwords also count against the account that they are tried on.
  return createSignInLimits(limits("sign_in", "sign-ins"), limits("sign_in_account", "wrong passwords"));
}
