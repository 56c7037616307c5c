import type { Api, Session, sessions } from "@parley-chat/sdk/contract";
import { Problem } from "@parley-chat/sdk/contract/problem";
import { readDeadGenerations } from "./authenticate.ts";
import { accountName, secretNotReplayed, sha256, timeText, toUser, type UsersParts } from "./parts.ts";
import { ACCESS_TOKEN_S, type RefreshClaims } from "./tokens.ts";
import {
  type Db,
  endSession,
  findOwner,
  findSession,
  findUser,
  findUserByEmail,
  insertCode,
  insertSession,
  type SessionRow,
  takeCode,
  type UserRow,
} from "./users.repository.ts";

/** A session ends when it was not refreshed for so long. */
const SESSION_MS = 30 * 24 * 3_600_000;
const CODE_MS = 3_600_000;
const REPEAT_MS = 60_000;
/** Lost answers within half an hour: more is no accident. */
const DEAD_GENERATIONS_MAX = 64;

export interface Sessions {
  readonly calls: Api<typeof sessions>;
  /** Opens a session inside a transaction. */
  open(tx: Db, userId: string, sessionId: string): Promise<void>;
  pair(userId: string, session: RefreshClaims): Promise<Session>;
  createSignInCode(): Promise<{ code: string; expiresAt: string }>;
}

export function createSessions(parts: UsersParts): Sessions {
  const { sql, clock, tokens, revocations, passwords, signIns } = parts;
  const refreshing = new Set<string>();

  async function open(tx: Db, userId: string, sessionId: string) {
    if (await findSession(tx, sessionId)) throw secretNotReplayed("session", sessionId);
    const now = clock.now();
    await insertSession(tx, {
      id: sessionId,
      user_id: userId,
      generation: 0,
      dead_generations: "[]",
      refresh_key_hash: null,
      refreshed_at: now,
      created_at: now,
      expires_at: now + SESSION_MS,
      ended_at: null,
    });
  }

  async function pair(userId: string, session: RefreshClaims): Promise<Session> {
    return {
      access_token: await tokens.signAccess({ userId, ...session }),
      refresh_token: tokens.refreshToken(session),
      token_type: "Bearer",
      expires_in: ACCESS_TOKEN_S,
    };
  }

  async function signedIn(user: UserRow, sessionId: string, generation = 0) {
    return { user: toUser(user), session: await pair(user.id, { sessionId, generation }) };
  }

  async function signInByPassword(email: string, password: string, sessionId: string) {
    const takeBack = await signIns.countTry(accountName(email));
    const found = await findUserByEmail(sql.read, email);
    const isRight = await passwords.verify(password, found?.password_hash ?? null);
    if (!found || !isRight) throw wrongPassword();
    await takeBack();
    const user = await sql.write(async (tx) => {
      const user = await findUser(tx, found.id);
      // The password may have been changed while this one was being hashed.
      if (user?.password_hash !== found.password_hash) throw wrongPassword();
      checkActive(user);
      await open(tx, user.id, sessionId);
      return user;
    });
    return signedIn(user, sessionId);
  }

  async function signInByCode(code: string, sessionId: string) {
    const user = await sql.write(async (tx) => {
      // Asked before the code is: when the first answer was lost, its code is used up.
      if (await findSession(tx, sessionId)) throw secretNotReplayed("session", sessionId);
      const taken = await takeCode(tx, sha256(code));
      const user = taken && taken.expires_at > clock.now() ? await findUser(tx, taken.user_id) : undefined;
      if (!user) throw wrongCode();
      checkActive(user);
      await open(tx, user.id, sessionId);
      return user;
    });
    return signedIn(user, sessionId);
  }

  async function refresh(token: string, idempotencyKey: string | undefined) {
    const claims = tokens.verifyRefresh(token);
    if (!claims) throw badRefreshToken();
    const keyHash = idempotencyKey === undefined ? null : sha256(`${claims.generation}:${idempotencyKey}`);
    const name = `${claims.sessionId}:${keyHash}`;
    if (keyHash !== null && refreshing.has(name)) {
      throw new Problem("in_flight", "The first refresh with this key is running.", { retryAfterS: 1 });
    }
    refreshing.add(name);
    try {
      const outcome = await sql.write((tx) => rotate(tx, claims, keyHash));
      if (outcome === "reused") {
        revocations.announce({ credentialId: claims.sessionId });
        throw reusedRefreshToken();
      }
      revocations.announce({ changedId: claims.sessionId });
      return await signedIn(outcome.user, claims.sessionId, outcome.generation);
    } finally {
      refreshing.delete(name);
    }
  }

  /** Moves a session on to its next pair. An end for reuse must be committed, so it is no throw. */
  async function rotate(tx: Db, { sessionId, generation }: RefreshClaims, keyHash: string | null) {
    const now = clock.now();
    const session = await findSession(tx, sessionId);
    if (!session || session.ended_at !== null || session.expires_at <= now) throw badRefreshToken();
    const user = await findUser(tx, session.user_id);
    if (user?.status !== "active" || generation > session.generation) throw badRefreshToken();

    const isOld = generation < session.generation;
    const isRepeat = isOld && isRepeatOf(session, keyHash, now);
    if (isOld && !isRepeat) {
      await endSession(tx, sessionId, now);
      return "reused" as const;
    }
    const dead = readDeadGenerations(session.dead_generations).filter(([, until]) => until > now);
    if (isRepeat) dead.push([session.generation, now + ACCESS_TOKEN_S * 1_000]);
    if (dead.length > DEAD_GENERATIONS_MAX) throw tooManyRepeats();
    const next = session.generation + 1;
    await tx
      .updateTable("sessions")
      .set({
        generation: next,
        dead_generations: JSON.stringify(dead),
        refresh_key_hash: keyHash,
        refreshed_at: isRepeat ? session.refreshed_at : now,
        expires_at: now + SESSION_MS,
      })
      .where("id", "=", sessionId)
      .execute();
    return { user, generation: next };
  }

  return {
    open,
    pair,
    calls: {
      async create(input, context) {
        await signIns.countAddress(context);
        return "code" in input
          ? signInByCode(input.code, context.newId())
          : signInByPassword(input.email, input.password, context.newId());
      },
      async refresh(input, context) {
        if (input.refresh_token === undefined) throw noRefreshToken();
        return refresh(input.refresh_token, context.idempotencyKey);
      },
      async end(_, { principal: { credential } }) {
        if (credential.kind !== "session") {
          throw new Problem("forbidden", "An API key has no session to end; delete the key instead.");
        }
        await sql.write((tx) => endSession(tx, credential.id, clock.now()));
        revocations.announce({ credentialId: credential.id });
        return undefined;
      },
    },
    async createSignInCode() {
      const code = Buffer.from(parts.random(32)).toString("base64url");
      const expiresAt = clock.now() + CODE_MS;
      await sql.write(async (tx) => {
        const owner = await findOwner(tx);
        if (!owner) throw new Error("there is no owner account yet");
        await insertCode(tx, { code_hash: sha256(code), user_id: owner.id, expires_at: expiresAt });
      });
      return { code, expiresAt: timeText(expiresAt) };
    },
  };
}

/** The same key with the same token, soon enough: its answer was lost on the way. */
const isRepeatOf = (session: SessionRow, keyHash: string | null, now: number) =>
  keyHash !== null && session.refresh_key_hash === keyHash && now - session.refreshed_at <= REPEAT_MS;

function checkActive(user: UserRow) {
  if (user.status !== "active") throw new Problem("forbidden", "This account is suspended.");
}

const wrongPassword = () => new Problem("unauthenticated", "The e-mail address or the password is wrong.");
const wrongCode = () =>
  new Problem(
    "unauthenticated",
    "This code is wrong, used or expired; `parley sign-in-link` makes a new one.",
  );
const noRefreshToken = () =>
  new Problem("unauthenticated", "There is no refresh token, in the body or in a cookie; sign in.");
const badRefreshToken = () =>
  new Problem("unauthenticated", "This refresh token is not valid; sign in again.");
const reusedRefreshToken = () =>
  new Problem(
    "unauthenticated",
    "This refresh token was used before, so its session was ended; sign in again.",
  );
const tooManyRepeats = () =>
  new Problem("rate_limited", "This refresh was repeated too often; try again in 60 s.", { retryAfterS: 60 });
