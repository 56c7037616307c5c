import { type Kysely, type Selectable, type SqlBool, sql } from "kysely";
import type {
  KeysTable,
  SessionsTable,
  SignInCodesTable,
  Tables,
  UsersTable,
} from "../../ports/sql/tables.ts";

/** Committed data to read, or a transaction. */
export type Db = Kysely<Tables>;
export type UserRow = Selectable<UsersTable>;
export type SessionRow = Selectable<SessionsTable>;
export type KeyRow = Selectable<KeysTable>;

export const emailKey = (email: string): string => email.normalize("NFC").toLowerCase();

/** A living account (not deleted) by its id. */
export const findUser = (db: Db, id: string): Promise<UserRow | undefined> =>
  db.selectFrom("users").selectAll().where("id", "=", id).where("status", "!=", "deleted").executeTakeFirst();

export const findUserByEmail = (db: Db, email: string): Promise<UserRow | undefined> =>
  db.selectFrom("users").selectAll().where("email_key", "=", emailKey(email)).executeTakeFirst();

export const findOwner = (db: Db): Promise<UserRow | undefined> =>
  db.selectFrom("users").selectAll().where("role", "=", "owner").executeTakeFirst();

/** False where its id or e-mail is taken. */
export async function insertUser(db: Db, row: UserRow): Promise<boolean> {
  const made = await db
    .insertInto("users")
    .values(row)
    .onConflict((on) => on.doNothing())
    .returning("id")
    .executeTakeFirst();
  return made !== undefined;
}

export type UserChanges = Partial<Pick<UserRow, "display_name" | "locale" | "time_zone" | "password_hash">>;

export async function updateUser(db: Db, id: string, changes: UserChanges): Promise<void> {
  if (Object.keys(changes).length === 0) return;
  await db.updateTable("users").set(changes).where("id", "=", id).execute();
}

/** Empties what is personal in an account and drops what opens it; the row stays as a mark. */
export async function eraseUser(db: Db, id: string, now: number): Promise<void> {
  const empty = {
    email: null,
    email_key: null,
    user_name: null,
    display_name: "",
    password_hash: null,
    locale: null,
    time_zone: null,
  };
  await db
    .updateTable("users")
    .set({ ...empty, status: "deleted", deleted_at: now })
    .where("id", "=", id)
    .execute();
  for (const table of ["sessions", "keys", "sign_in_codes", "identities"] as const) {
    await db.deleteFrom(table).where("user_id", "=", id).execute();
  }
}

/** Accounts deleted before `before` whose belongings may not all be gone, by id, behind the id `after`. */
export const findUnerased = (db: Db, before: number, after: string, max: number): Promise<{ id: string }[]> =>
  db
    .selectFrom("users")
    .select("id")
    .where("deleted_at", "<=", before)
    .where("erased_at", "is", null)
    .where("id", ">", after)
    .orderBy("id")
    .limit(max)
    .execute();

export async function markErased(db: Db, id: string, now: number): Promise<void> {
  await db.updateTable("users").set({ erased_at: now }).where("id", "=", id).execute();
}

export const findSession = (db: Db, id: string): Promise<SessionRow | undefined> =>
  db.selectFrom("sessions").selectAll().where("id", "=", id).executeTakeFirst();

export async function insertSession(db: Db, row: SessionRow): Promise<void> {
  await db.insertInto("sessions").values(row).execute();
}

export async function endSession(db: Db, id: string, now: number): Promise<void> {
  await db
    .updateTable("sessions")
    .set({ ended_at: now })
    .where("id", "=", id)
    .where("ended_at", "is", null)
    .execute();
}

/** Ends every session of a user but one; returns those that were open. */
export async function endOtherSessions(
  db: Db,
  userId: string,
  keptId: string,
  now: number,
): Promise<string[]> {
  const ended = await db
    .updateTable("sessions")
    .set({ ended_at: now })
    .where("user_id", "=", userId)
    .where("id", "!=", keptId)
    .where("ended_at", "is", null)
    .returning("id")
    .execute();
  return ended.map(({ id }) => id);
}

const inAccount = (db: Db) => db.selectFrom("users").where("status", "=", "active");

/** What a session's tokens rest on: open, and of an active account. */
export const findSessionState = (db: Db, id: string, now: number) =>
  inAccount(db)
    .innerJoin("sessions", "sessions.user_id", "users.id")
    .select(["users.id as userId", "users.role", "sessions.dead_generations", "sessions.expires_at"])
    .where("sessions.id", "=", id)
    .where("sessions.ended_at", "is", null)
    .where("sessions.expires_at", ">", now)
    .executeTakeFirst();

/** What a key rests on: not revoked, in time, and of an active account. */
export const findKeyState = (db: Db, id: string, now: number) =>
  inAccount(db)
    .innerJoin("keys", "keys.user_id", "users.id")
    .select(["users.id as userId", "users.role", "keys.scopes", "keys.secret_hash"])
    .select(["keys.expires_at", "keys.last_used_at"])
    .where("keys.id", "=", id)
    .where("keys.revoked_at", "is", null)
    .where((e) => e.or([e("keys.expires_at", "is", null), e("keys.expires_at", ">", now)]))
    .executeTakeFirst();

export const findActiveOwner = (db: Db): Promise<{ id: string } | undefined> =>
  inAccount(db).select("id").where("role", "=", "owner").executeTakeFirst();

export const findKey = (db: Db, id: string): Promise<KeyRow | undefined> =>
  db.selectFrom("keys").selectAll().where("id", "=", id).executeTakeFirst();

export async function insertKey(db: Db, row: KeyRow): Promise<void> {
  await db.insertInto("keys").values(row).execute();
}

/** False where the user has no such key; true also where it was revoked before. */
export async function revokeKey(db: Db, id: string, userId: string, now: number): Promise<boolean> {
  const { numUpdatedRows } = await db
    .updateTable("keys")
    .set({ revoked_at: sql<number>`coalesce(revoked_at, ${now})` })
    .where("id", "=", id)
    .where("user_id", "=", userId)
    .executeTakeFirst();
  return numUpdatedRows > 0n;
}

export async function markKeyUsed(db: Db, id: string, now: number): Promise<void> {
  await db.updateTable("keys").set({ last_used_at: now }).where("id", "=", id).execute();
}

export async function countKeys(db: Db, userId: string): Promise<number> {
  const row = await db
    .selectFrom("keys")
    .select((e) => e.fn.countAll().as("n"))
    .where("user_id", "=", userId)
    .where("revoked_at", "is", null)
    .executeTakeFirstOrThrow();
  return Number(row.n);
}

/** Keys that are not revoked, newest first, behind the one that `after` names. */
export function listKeys(
  db: Db,
  userId: string,
  page: { limit: number; after: { createdAt: number; id: string } | null },
): Promise<KeyRow[]> {
  const { limit, after } = page;
  return db
    .selectFrom("keys")
    .selectAll()
    .where("user_id", "=", userId)
    .where("revoked_at", "is", null)
    .$if(after !== null, (query) =>
      query.where(sql<SqlBool>`(created_at, id) < (${after?.createdAt}, ${after?.id})`),
    )
    .orderBy("created_at", "desc")
    .orderBy("id", "desc")
    .limit(limit)
    .execute();
}

export async function insertCode(db: Db, row: Selectable<SignInCodesTable>): Promise<void> {
  await db.insertInto("sign_in_codes").values(row).execute();
}

/** Removes a code and returns it: of several takers one gets it. */
export const takeCode = (db: Db, codeHash: string): Promise<Selectable<SignInCodesTable> | undefined> =>
  db.deleteFrom("sign_in_codes").where("code_hash", "=", codeHash).returningAll().executeTakeFirst();

/** Drops up to `max` outdated rows of each kind; returns how many. */
export async function purgeOutdated(db: Db, now: number, max: number): Promise<number> {
  const codes = await sql`delete from sign_in_codes where code_hash in (
    select code_hash from sign_in_codes where expires_at <= ${now} limit ${max}) returning code_hash`.execute(
    db,
  );
  const sessions = await sql`delete from sessions where id in (
    select id from sessions where expires_at <= ${now} limit ${max}) returning id`.execute(db);
  return codes.rows.length + sessions.rows.length;
}
