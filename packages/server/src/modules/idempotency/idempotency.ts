import type { Principal } from "@parley-chat/sdk/contract";
import { Problem } from "@parley-chat/sdk/contract/problem";
import { type Kysely, sql as rawSql, type SqlBool } from "kysely";
import type { Clock } from "../../kit/clock.ts";
import { derivedId } from "../../kit/ids.ts";
import type { Sql } from "../../ports/sql/sql.ts";
import type { IdempotencyTable, Tables } from "../../ports/sql/tables.ts";
import { canonicalJson, createFingerprint } from "./fingerprint.ts";

const KEPT_MS = 7 * 24 * 3_600_000;
/** In one write, which others wait for. */
const PURGED_AT_ONCE_MAX = 1_000;
const PURGED_MAX = 20_000;

export interface Answer {
  readonly status: number;
  readonly body: unknown;
}

export interface IdempotentCall {
  /** Of `principalOf`. */
  readonly principal: string;
  /** Method and template of the path. */
  readonly route: string;
  /** The `Idempotency-Key` as it was sent, once its form was checked. */
  readonly key: string;
  /** All that was asked: path parameters, query and body. */
  readonly body: unknown;
  /** The id of what the call changes; without it, what it makes: the first of its derived ids. */
  readonly about?: string | undefined;
  /** The answer holds a secret: it is not stored, and a repeat is refused. */
  readonly hasSecret?: boolean;
}

export interface Idempotency {
  /**
   * Does `work` once for its key (R11) and keeps an answer of 2xx for 7 days; a repeat gets it again
   * with `isReplay`. Throws `in_flight` while the first is running, `idempotency_key_reused` for another
   * body, `secret_not_replayed`, and whatever `work` throws.
   */
  run(call: IdempotentCall, work: () => Promise<Answer>): Promise<Answer & { readonly isReplay: boolean }>;
  /** Whose keys these are: the user's, or without a credential those of the e-mail or token in the body. */
  principalOf(principal: Principal | null, body: unknown): string;
  /** Drops every answer kept for a user, for erasure. */
  forget(userId: string): Promise<void>;
  /**
   * Drops every answer about one thing, those of calls that still run too, once that was deleted. A repeat
   * works again, and finds by its id that it is gone.
   */
  forgetAbout(id: string): Promise<void>;
  /** Drops up to 20,000 outdated rows, by and by; returns how many. */
  purge(): Promise<number>;
}

/** The claim of one call: where its row is. */
type Claim = Pick<IdempotencyTable, "principal" | "route" | "key_hash">;
type NewClaim = Claim & Pick<IdempotencyTable, "about" | "body_hash">;

/**
 * @param options.incarnation names this run of the process; kept with each claim, for several processes to
 * tell whose it is. In one process a claim is void once nothing runs under it
 * @param options.secret keys the fingerprints; the same for the life of the data
 */
export function createIdempotency(options: {
  sql: Sql;
  clock: Clock;
  incarnation: string;
  secret: Uint8Array;
}): Idempotency {
  const { sql, clock, incarnation } = options;
  const fingerprint = createFingerprint(options.secret);
  // A row can say "running" though nothing runs, when its end could not be written.
  const running = new Set<string>();

  async function run(call: IdempotentCall, work: () => Promise<Answer>) {
    const claim: Claim = {
      principal: call.principal,
      route: call.route,
      key_hash: fingerprint("key", call.key),
    };
    const name = JSON.stringify(Object.values(claim));
    const bodyHash = fingerprint("body", canonicalJson(call.body));
    const isMine = !running.has(name);
    running.add(name);
    try {
      const about = call.about ?? derivedIds(call.principal, call.route, call.key)();
      const known = await sql.write((tx) => takeClaim(tx, { ...claim, about, body_hash: bodyHash }, isMine));
      if (known) return replay(known, call);
      return { ...(await runOnce(claim, call, work)), isReplay: false };
    } finally {
      if (isMine) running.delete(name);
    }
  }

  /** Claims the key, or returns the stored answer; throws where the call may not go on. */
  async function takeClaim(tx: Kysely<Tables>, claim: NewClaim, isMine: boolean) {
    const now = clock.now();
    const fresh = { ...claim, incarnation, status: null, answer: null, created_at: now };
    const row = await rowOf(tx, claim).selectAll().executeTakeFirst();
    if (row !== undefined && row.created_at > now - KEPT_MS) {
      if (row.body_hash !== claim.body_hash) throw new Problem("idempotency_key_reused");
      if (row.status !== null) return row;
    }
    if (!isMine)
      throw new Problem("in_flight", "The first call with this key is running.", { retryAfterS: 1 });
    if (row) await tx.deleteFrom("idempotency").where(isRow(claim)).execute();
    await tx.insertInto("idempotency").values(fresh).execute();
    return undefined;
  }

  async function runOnce(claim: Claim, call: IdempotentCall, work: () => Promise<Answer>) {
    let isKept = false;
    try {
      const answer = await work();
      isKept = answer.status >= 200 && answer.status < 300;
      if (isKept) await keep(claim, answer, call.hasSecret ?? false);
      return answer;
    } finally {
      // A claim that stays behind is harmless: it is void, since nothing runs under it.
      if (!isKept) await sql.write((tx) => drop(tx, claim)).catch(() => {});
    }
  }

  /**
   * Stores the answer. The work is done: if this cannot be written, or the claim was dropped since, a repeat
   * does it again by the same ids.
   */
  async function keep(claim: Claim, { status, body }: Answer, hasSecret: boolean) {
    const answer = hasSecret || body === undefined ? null : JSON.stringify(body);
    await sql
      .write((tx) => tx.updateTable("idempotency").set({ status, answer }).where(isRow(claim)).execute())
      .catch(() => {});
  }

  async function purge() {
    let dropped = 0;
    let isMore = true;
    while (isMore && dropped < PURGED_MAX) {
      const { rows } = await sql.write((tx) =>
        rawSql`delete from idempotency where (principal, route, key_hash) in (
          select principal, route, key_hash from idempotency
          where created_at <= ${clock.now() - KEPT_MS} order by created_at limit ${PURGED_AT_ONCE_MAX}
        ) returning key_hash`.execute(tx),
      );
      dropped += rows.length;
      isMore = rows.length === PURGED_AT_ONCE_MAX;
    }
    return dropped;
  }

  return {
    run,
    principalOf: (principal, body) =>
      principal ? userPrincipal(principal.userId) : `sent:${fingerprint("principal", credentialIn(body))}`,
    async forget(userId) {
      await sql.write((tx) =>
        tx.deleteFrom("idempotency").where("principal", "=", userPrincipal(userId)).execute(),
      );
    },
    async forgetAbout(id) {
      await sql.write((tx) => tx.deleteFrom("idempotency").where("about", "=", id).execute());
    },
    purge,
  };
}

const userPrincipal = (userId: string) => `user:${userId}`;

function replay(row: IdempotencyTable, call: IdempotentCall) {
  if (call.hasSecret) {
    const id = derivedIds(call.principal, call.route, call.key)();
    throw new Problem(
      "secret_not_replayed",
      `The first call with this Idempotency-Key made ${id}; the secret in its answer is shown only once.`,
    );
  }
  const body: unknown = row.answer === null ? undefined : JSON.parse(row.answer);
  return { status: row.status as number, body, isReplay: true };
}

function isRow(claim: Claim) {
  return rawSql<SqlBool>`principal = ${claim.principal} and route = ${claim.route} and key_hash = ${claim.key_hash}`;
}

const rowOf = (tx: Kysely<Tables>, claim: Claim) => tx.selectFrom("idempotency").where(isRow(claim));

const drop = (tx: Kysely<Tables>, claim: Claim) => tx.deleteFrom("idempotency").where(isRow(claim)).execute();

/** What a body without a credential names itself by: the e-mail address, the code or the token. */
function credentialIn(body: unknown): string {
  if (typeof body !== "object" || body === null) return "";
  const { email, code, refresh_token } = body as Record<string, unknown>;
  if (typeof email === "string") return `email:${email.normalize("NFC").toLowerCase()}`;
  if (typeof code === "string") return `code:${code}`;
  return typeof refresh_token === "string" ? `token:${refresh_token}` : "";
}

/**
 * The ids that a call makes under its key: the first, second, … are the same whenever it is repeated,
 * so a repeat after a kill finds what the first had made. For `context.newId`.
 */
export function derivedIds(principal: string, route: string, key: string): () => string {
  let n = 0;
  return () => derivedId("idempotency", principal, route, key, String(n++));
}
