import type { Api, users } from "@parley-chat/sdk/contract";
import { Problem } from "@parley-chat/sdk/contract/problem";
import { StartError } from "../../kit/start-error.ts";
import { SPACE_ID } from "../../ports/sql/tables.ts";
import type { Keys } from "./keys.ts";
import { accountGone, accountName, checkText, secretNotReplayed, toUser, type UsersParts } from "./parts.ts";
import type { Sessions } from "./sessions.ts";
import { createUserCache } from "./user-cache.ts";
import {
  type Db,
  emailKey,
  endOtherSessions,
  eraseUser,
  findOwner,
  findUnerased,
  findUser,
  findUserByEmail,
  insertUser,
  markErased,
  purgeOutdated,
  type UserChanges,
  type UserRow,
  updateUser,
} from "./users.repository.ts";

const ERASURES_MAX = 10;
const PURGED_ROWS_MAX = 1_000;
/** Calls that were under way when the account ended are over by then. */
const LATE_CALLS_MS = 60_000;

/** What the other modules do for an account; both may be called again for the same one. */
export interface Owned {
  /** Erases everything that belongs to a user. */
  erase(userId: string): Promise<void>;
  /** Everything that belongs to a user, under the names that the export shows; read as it is written out. */
  export(userId: string): Record<string, AsyncIterable<unknown>>;
}

export interface Accounts {
  readonly calls: Api<typeof users>;
  /** Throws `StartError` where the address belongs to another account. */
  ensureOwner(): Promise<string>;
  displayName(userId: string): Promise<string>;
  /** False also for who is not there. */
  isOwner(userId: string): Promise<boolean>;
  sweep(): Promise<void>;
}

export function createAccounts(
  parts: UsersParts & { newId(): string },
  uses: { sessions: Sessions; keys: Keys; owned: Owned },
): Accounts {
  const { sql, clock, passwords, revocations, settings, signIns } = parts;
  const { sessions, keys, owned } = uses;
  /** Where the next sweep goes on: erasures that fail again and again hold up no others. */
  let sweptUpTo = "";

  const newUser = (id: string, email: string, role: "owner" | "user"): UserRow => ({
    id,
    space_id: SPACE_ID,
    email,
    email_key: emailKey(email),
    user_name: null,
    display_name: "",
    role,
    status: "active",
    password_hash: null,
    locale: null,
    time_zone: null,
    created_at: clock.now(),
    deleted_at: null,
    erased_at: null,
  });

  async function loadUser(db: Db, id: string): Promise<UserRow> {
    const user = await findUser(db, id);
    if (!user) throw accountGone();
    return user;
  }

  const known = createUserCache({ clock, load: (id) => loadUser(sql.read, id) });

  async function checkFree(db: Db, userId: string, email: string) {
    if (await findUser(db, userId)) throw secretNotReplayed("user", userId);
    if (await findUserByEmail(db, email)) throw new Problem("email_taken");
  }

  /** The hash of a new password, when the one that it replaces was given. */
  async function newPasswordHash(user: UserRow, password: string, current: string | undefined) {
    if (user.password_hash !== null) {
      if (current === undefined) throw Problem.invalid("current_password", "is needed for a new password");
      const takeBack = await signIns.countTry(accountName(user.email ?? user.id));
      if (!(await passwords.verify(current, user.password_hash))) throw wrongCurrent();
      await takeBack();
    }
    return passwords.hash(password);
  }

  async function erase(userId: string) {
    // It is repeated by the sweep, so whatever keeps it from finishing now only delays it.
    await owned.erase(userId).catch(() => {});
  }

  const calls: Api<typeof users> = {
    async create(input, context) {
      await signIns.countAddress(context);
      if (settings.registration === "closed") {
        throw new Problem("forbidden", "Registration is closed here; ask the owner of this server.");
      }
      checkText("email", input.email);
      checkText("display_name", input.display_name);
      const userId = context.newId();
      const sessionId = context.newId();
      await checkFree(sql.read, userId, input.email);
      const user: UserRow = {
        ...newUser(userId, input.email, "user"),
        display_name: input.display_name ?? "",
        password_hash: await passwords.hash(input.password),
      };
      await sql.write(async (tx) => {
        await checkFree(tx, userId, input.email);
        if (!(await insertUser(tx, user))) throw new Problem("email_taken");
        await sessions.open(tx, userId, sessionId);
      });
      return { user: toUser(user), session: await sessions.pair(userId, { sessionId, generation: 0 }) };
    },

    me: async (_, { principal }) => toUser(await known.get(principal.userId)),

    async update(input, { principal }) {
      const { password, current_password: current } = input;
      if (password !== undefined && principal.credential.kind === "key") {
        // It would open more than what made the key.
        throw new Problem("forbidden", "An API key cannot change the password. Sign in to do that.");
      }
      const before = await loadUser(sql.read, principal.userId);
      const changes = changesOf(input);
      if (password !== undefined) changes.password_hash = await newPasswordHash(before, password, current);
      const { user, endedIds } = await sql.write(async (tx) => {
        const now = await loadUser(tx, principal.userId);
        if (password !== undefined && now.password_hash !== before.password_hash) throw wrongCurrent();
        await updateUser(tx, now.id, changes);
        const endedIds =
          password === undefined
            ? []
            : await endOtherSessions(tx, now.id, principal.credential.id, clock.now());
        return { user: { ...now, ...changes }, endedIds };
      });
      known.forget(principal.userId);
      for (const credentialId of endedIds) revocations.announce({ credentialId });
      return toUser(user);
    },

    async remove(_, { principal }) {
      if (principal.role === "owner") {
        throw new Problem("forbidden", "The owner's account cannot be removed.");
      }
      await sql.write((tx) => eraseUser(tx, principal.userId, clock.now()));
      known.forget(principal.userId);
      revocations.announce({ userId: principal.userId });
      await erase(principal.userId);
      return undefined;
    },

    async export(_, { principal }) {
      const user = toUser(await loadUser(sql.read, principal.userId));
      return { user, keys: await keys.all(user.id), ...owned.export(user.id) };
    },
  };

  return {
    calls,
    ensureOwner: () =>
      sql.write(async (tx) => {
        const email = settings.ownerEmail;
        const owner = await findOwner(tx);
        if (owner?.email === email) return owner.id;
        const holder = await findUserByEmail(tx, email);
        if (holder && holder.id !== owner?.id) {
          throw new StartError("PARLEY_OWNER_EMAIL belongs to another account: choose another address.");
        }
        if (owner) {
          const changes = { email, email_key: emailKey(email) };
          await tx.updateTable("users").set(changes).where("id", "=", owner.id).execute();
          return owner.id;
        }
        const made = newUser(parts.newId(), email, "owner");
        await insertUser(tx, made);
        return made.id;
      }),
    displayName: (userId) =>
      known.get(userId).then(
        (user) => user.display_name,
        () => "",
      ),
    isOwner: (userId) =>
      known.get(userId).then(
        (user) => user.role === "owner",
        () => false,
      ),
    async sweep() {
      const now = clock.now();
      await sql.write((tx) => purgeOutdated(tx, now, PURGED_ROWS_MAX));
      const unerased = await findUnerased(sql.read, now - LATE_CALLS_MS, sweptUpTo, ERASURES_MAX);
      sweptUpTo = unerased.length < ERASURES_MAX ? "" : (unerased.at(-1)?.id ?? "");
      const finished = unerased.map(async ({ id }) => {
        await owned.erase(id);
        await sql.write((tx) => markErased(tx, id, now));
      });
      const failed = (await Promise.allSettled(finished)).find((one) => one.status === "rejected");
      if (failed) throw failed.reason;
    },
  };
}

/** The columns that an update changes, each checked; null clears. */
function changesOf(input: {
  display_name?: string;
  locale?: string | null;
  time_zone?: string | null;
}): UserChanges {
  checkText("display_name", input.display_name);
  const changes: UserChanges = {};
  if (input.display_name !== undefined) changes.display_name = input.display_name;
  if (input.locale !== undefined) changes.locale = input.locale === null ? null : checkLocale(input.locale);
  if (input.time_zone !== undefined) {
    changes.time_zone = input.time_zone === null ? null : checkTimeZone(input.time_zone);
  }
  return changes;
}

/** The locale in its usual spelling (`de-at` is `de-AT`). */
function checkLocale(locale: string): string {
  try {
    return Intl.getCanonicalLocales(locale)[0] as string;
  } catch {
    throw Problem.invalid("locale", "must be a language tag such as en or de-AT");
  }
}

function checkTimeZone(timeZone: string): string {
  try {
    new Intl.DateTimeFormat("en", { timeZone });
    return timeZone;
  } catch {
    throw Problem.invalid("time_zone", "must be a name such as Europe/Vienna");
  }
}

const wrongCurrent = () => Problem.invalid("current_password", "is not your password");
