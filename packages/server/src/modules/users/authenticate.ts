import { hash, timingSafeEqual } from "node:crypto";
import type { Principal, Scope } from "@parley-chat/sdk/contract";
import { scopes as allScopes } from "@parley-chat/sdk/contract";
import { Problem } from "@parley-chat/sdk/contract/problem";
import type { Clock } from "../../kit/clock.ts";
import { recentMap } from "../../kit/recent-map.ts";
import type { Sql } from "../../ports/sql/sql.ts";
import type { Revocations } from "./revocations.ts";
import { isSameText, readKeyToken, type Tokens } from "./tokens.ts";
import { findActiveOwner, findKeyState, findSessionState, markKeyUsed } from "./users.repository.ts";

const PROOFS_MAX = 10_000;
/** More than the sockets of a process, which ask for it every second. */
const STATES_MAX = 50_000;
/** How old what we know of a credential may be for a request, so that its last use is noted. */
const STATE_AGE_MS_MAX = 1_000;
/**
 * For the check of an open stream. Every change of a credential is announced in this process, and takes
 * away what we know of it; so for as long as one process serves, an older state is as true as a new one.
 */
const STREAM_STATE_AGE_MS_MAX = Number.POSITIVE_INFINITY;
/** How exact `last_used_at` is. */
const LAST_USED_STEP_MS = 60_000;

/** The headers that may carry a credential; a header that came several times is an array. */
export interface CredentialHeaders {
  readonly authorization?: string | readonly string[] | undefined;
  readonly apiKey?: string | readonly string[] | undefined;
}

type Credential = Principal["credential"];

/** What a token proved when it was read: that never changes, unlike the state of its credential. */
interface Proof {
  readonly credential: Credential;
  /** Of the credential, among the states. */
  readonly name: string;
  /** Of an access token alone. */
  readonly generation: number;
  readonly expiresAt: number;
}

interface State {
  readonly principal: Principal;
  readonly expiresAt: number;
  readonly deadGenerations: readonly number[];
  /** Of a key alone. */
  readonly secretHash: string;
}

export interface Authenticator {
  /**
   * Who sent these headers: the one function behind every door (R12). Throws `several_credentials`
   * or `unauthenticated`.
   */
  authenticate(headers: CredentialHeaders): Promise<Principal>;
  /** The same at once, where nothing has to be asked for; else null. */
  recall(headers: CredentialHeaders): Principal | null;
  /** Whether a principal may still act; for open streams, every second, mostly without asking the store. */
  isAlive(principal: Principal): Promise<boolean>;
  close(): void;
}

export function createAuthenticator(options: {
  sql: Sql;
  clock: Clock;
  tokens: Tokens;
  revocations: Revocations;
  environmentApiKey?: string | undefined;
}): Authenticator {
  const { sql, clock, tokens, revocations } = options;
  const isEnvironmentKey = environmentKeyCheck(options.environmentApiKey);
  const proofs = recentMap<string, Proof>(PROOFS_MAX);
  const states = recentMap<string, { state: State; readAt: number }>(STATES_MAX);
  const asking = new Map<string, Promise<State | null>>();
  let revocationCount = 0;

  const stopListening = revocations.listen((news) => {
    revocationCount++;
    if ("userId" in news) {
      for (const [name, { state }] of states.entries()) {
        if (state.principal.userId === news.userId) states.delete(name);
      }
      return;
    }
    const id = "changedId" in news ? news.changedId : news.credentialId;
    for (const kind of ["session", "key"] as const) states.delete(named({ kind, id }).name);
  });

  function recall(headers: CredentialHeaders): Principal | null {
    const proof = proofs.get(tokenIn(headers));
    const state = proof && freshState(proof.name, STATE_AGE_MS_MAX);
    return state ? admit(proof, state) : null;
  }

  async function authenticate(headers: CredentialHeaders): Promise<Principal> {
    const token = tokenIn(headers);
    const known = proofs.get(token);
    const proof = known ?? (await prove(token));
    const principal = admit(proof, await stateOf(proof, STATE_AGE_MS_MAX));
    if (!known) proofs.set(token, proof);
    return principal;
  }

  function admit(proof: Proof, state: State | null): Principal {
    const now = clock.now();
    if (proof.expiresAt <= now) throw expired();
    const isGood =
      state !== null && state.expiresAt > now && !state.deadGenerations.includes(proof.generation);
    if (!isGood) throw notValid();
    return state.principal;
  }

  /** Reads a token. The cheap checks come first; the store is only asked for a key that can be one. */
  async function prove(token: string): Promise<Proof> {
    if (isEnvironmentKey(token)) return proofOf({ kind: "environment", id: "environment" });
    if (token.includes(",")) throw severalCredentials();
    const key = readKeyToken(token);
    if (key) {
      const proof = proofOf({ kind: "key", id: key.id });
      const state = await stateOf(proof, STATE_AGE_MS_MAX);
      if (!state || !isSameText(hash("sha256", key.secret), state.secretHash)) throw notValid();
      return proof;
    }
    const claims = await tokens.verifyAccess(token);
    if (claims === "expired") throw expired();
    if (!claims) throw notValid();
    return proofOf({ kind: "session", id: claims.sessionId }, claims);
  }

  function freshState(name: string, ageMsMax: number): State | null {
    const known = states.get(name);
    return known && clock.monotonic() - known.readAt < ageMsMax ? known.state : null;
  }

  async function stateOf({ name, credential }: NamedCredential, ageMsMax: number): Promise<State | null> {
    const fresh = freshState(name, ageMsMax);
    if (fresh) return fresh;
    // Streams of one credential ask in the same moment: one read answers them all.
    const asked = asking.get(name) ?? readState(name, credential).finally(() => asking.delete(name));
    asking.set(name, asked);
    return asked;
  }

  async function readState(name: string, { kind, id }: Credential): Promise<State | null> {
    const readAt = clock.monotonic();
    const countBefore = revocationCount;
    const state = await loaders[kind](id);
    // Something was revoked while we read: what we read may be from before it.
    if (countBefore !== revocationCount) return loaders[kind](id);
    if (state) states.set(name, { state, readAt });
    else states.delete(name);
    return state;
  }

  const loaders: Record<Credential["kind"], (id: string) => Promise<State | null>> = {
    async session(id) {
      const row = await findSessionState(sql.read, id, clock.now());
      if (!row) return null;
      const scopes = scopesOf(row.role, allScopes);
      const principal: Principal = {
        userId: row.userId,
        role: row.role,
        scopes,
        credential: { kind: "session", id },
      };
      const deadGenerations = readDeadGenerations(row.dead_generations).map(([generation]) => generation);
      return { principal, expiresAt: row.expires_at, deadGenerations, secretHash: "" };
    },
    async key(id) {
      const row = await findKeyState(sql.read, id, clock.now());
      if (!row) return null;
      noteUse(id, row.last_used_at);
      const scopes = scopesOf(row.role, JSON.parse(row.scopes) as Scope[]);
      return {
        principal: { userId: row.userId, role: row.role, scopes, credential: { kind: "key", id } },
        expiresAt: row.expires_at ?? Number.POSITIVE_INFINITY,
        deadGenerations: [],
        secretHash: row.secret_hash,
      };
    },
    async environment(id) {
      const owner = await findActiveOwner(sql.read);
      if (!owner) return null;
      return {
        principal: {
          userId: owner.id,
          role: "owner",
          scopes: allScopes,
          credential: { kind: "environment", id },
        },
        expiresAt: Number.POSITIVE_INFINITY,
        deadGenerations: [],
        secretHash: "",
      };
    },
  };

  /** Nobody waits for it, and nothing but a date depends on it. */
  function noteUse(id: string, lastUsedAt: number | null) {
    const now = clock.now();
    if (lastUsedAt !== null && now - lastUsedAt < LAST_USED_STEP_MS) return;
    sql.write((tx) => markKeyUsed(tx, id, now)).catch(() => {});
  }

  return {
    authenticate,
    recall,
    async isAlive({ credential }) {
      const state = await stateOf(named(credential), STREAM_STATE_AGE_MS_MAX);
      return state !== null && state.expiresAt > clock.now();
    },
    close() {
      stopListening();
      proofs.clear();
      states.clear();
    },
  };
}

type NamedCredential = Pick<Proof, "credential" | "name">;

const named = (credential: Credential): NamedCredential => ({
  credential,
  name: `${credential.kind}:${credential.id}`,
});

const proofOf = (
  credential: Credential,
  { generation, expiresAt }: Pick<Proof, "generation" | "expiresAt"> = LASTING,
): Proof => ({ ...named(credential), generation, expiresAt });

const LASTING = { generation: -1, expiresAt: Number.POSITIVE_INFINITY };

/** Only the owner has `admin`, whatever a key was given. */
const scopesOf = (role: Principal["role"], given: readonly Scope[]): readonly Scope[] =>
  allScopes.filter((scope) => given.includes(scope) && (scope !== "admin" || role === "owner"));

/** Generations whose access tokens are dead, each with the time when it has expired anyway. */
export const readDeadGenerations = (text: string): (readonly [generation: number, until: number])[] =>
  JSON.parse(text);

/** The one credential in the headers. */
function tokenIn(headers: CredentialHeaders): string {
  const authorization = valuesOf(headers.authorization);
  const apiKey = valuesOf(headers.apiKey);
  if (authorization.length + apiKey.length > 1) throw severalCredentials();
  if (apiKey[0] !== undefined) return apiKey[0];
  if (authorization[0] === undefined) {
    throw unauthenticated("Send an access token or an API key as `Authorization: Bearer …`.");
  }
  const bearer = /^bearer[ \t]+(.+)$/is.exec(authorization[0]);
  if (!bearer) throw unauthenticated("Only `Authorization: Bearer …` and `X-API-Key` are understood.");
  return bearer[1] as string;
}

function valuesOf(header: string | readonly string[] | undefined): string[] {
  const values = typeof header === "string" ? [header] : (header ?? []);
  return values.map((value) => value.trim()).filter((value) => value !== "");
}

/** The `API_KEY` of the environment may be any text. Hashes are compared, so its length stays hidden too. */
function environmentKeyCheck(key: string | undefined): (token: string) => boolean {
  if (!key) return () => false;
  const digest = (bytes: string | Uint8Array) => hash("sha256", bytes, "buffer");
  const expected = digest(key);
  return (token) => {
    const asText = timingSafeEqual(digest(token), expected);
    // Node reads header bytes as Latin-1, so a key beyond ASCII arrives as its UTF-8 bytes.
    const asBytes = timingSafeEqual(digest(Buffer.from(token, "latin1")), expected);
    return asText || asBytes;
  };
}

const unauthenticated = (detail: string) => new Problem("unauthenticated", detail);
const notValid = () => unauthenticated("This credential is not valid.");
const expired = () => unauthenticated("The access token has expired; refresh it.");
const severalCredentials = () =>
  new Problem("several_credentials", "Send one credential: `Authorization` or `X-API-Key`, once.");
