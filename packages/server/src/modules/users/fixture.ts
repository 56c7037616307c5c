import { randomUUID } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { CallContext, LimitState, Principal, SignedInContext } from "@parley-chat/sdk/contract";
import type { KyselyPlugin } from "kysely";
import { afterEach, expect } from "vitest";
import { type ManualClock, manualClock } from "../../kit/clock.ts";
import { newId } from "../../kit/ids.ts";
import { createMemoryKv } from "../../ports/kv/memory.ts";
import { createMemoryPubSub } from "../../ports/pubsub/memory.ts";
import type { Sql } from "../../ports/sql/sql.ts";
import { createSqliteSql } from "../../ports/sql/sqlite.ts";
import { createUsers, type Owned, type Users, type UsersSettings } from "./users.ts";

const secret = new Uint8Array(32).fill(7);
export const API_KEY = "the environment's key, of any text";

export interface Fixture {
  dir: string;
  clock: ManualClock;
  sql: Sql;
  all: Users;
  revoked: unknown[];
  erased: string[];
  /** The same data under a new process. */
  restart(settings?: Partial<UsersSettings>): Promise<Fixture>;
}

interface Options {
  settings?: Partial<UsersSettings>;
  owned?: Partial<Owned>;
  dir?: string;
  clock?: ManualClock;
  /** Stands between the module and its store. */
  wrap?(sql: Sql): Sql;
}

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const clean of cleanups.splice(0).reverse()) await clean();
});

/** The module over a real file, with a clock that tests move. */
export async function setUp(options: Options = {}): Promise<Fixture> {
  const dir = options.dir ?? mkdtempSync(join(tmpdir(), "parley-users-"));
  if (!options.dir) cleanups.push(() => rmSync(dir, { recursive: true, force: true }));
  const clock = options.clock ?? manualClock();
  const file = createSqliteSql({ path: join(dir, "parley.db") });
  const sql = options.wrap?.(file) ?? file;
  const erased: string[] = [];
  const revoked: unknown[] = [];
  const all = createUsers({
    sql,
    kv: createMemoryKv({ clock }),
    pubsub: createMemoryPubSub(),
    clock,
    newId,
    secret,
    settings: { registration: "open", ownerEmail: "Owner@parley.local", ...options.settings },
    owned: {
      erase: async (userId) => void erased.push(userId),
      export: () => ({}),
      ...options.owned,
    },
  });
  await all.ensureOwner();
  all.onRevoked((revocation) => revoked.push(revocation));
  const close = async () => {
    all.close();
    await sql.close();
  };
  cleanups.push(close);
  return {
    dir,
    clock,
    sql,
    all,
    revoked,
    erased,
    async restart(settings) {
      await close();
      return setUp({ ...options, settings: { ...options.settings, ...settings }, dir, clock });
    },
  };
}

export const anyone = (more: Partial<CallContext> = {}): CallContext & { limits: LimitState[] } => {
  const limits: LimitState[] = [];
  return {
    principal: null,
    requestId: "r",
    address: "192.0.2.1",
    newId,
    markReplayed() {},
    showLimit: (state) => void limits.push(state),
    limits,
    ...more,
  };
};

export const as = (principal: Principal, more: Partial<CallContext> = {}): SignedInContext => ({
  ...anyone(more),
  principal,
});

export const bearer = (token: string) => ({ authorization: `Bearer ${token}` });

/** A new account, its tokens and its principal. */
export async function register({ all }: Fixture, email = `${randomUUID()}@example.org`) {
  const password = "correct horse battery";
  const { user, session } = await all.users.create({ email, password }, anyone({ address: randomUUID() }));
  const principal = await all.authenticate(bearer(session.access_token));
  return { user, session, principal, email, password, me: as(principal) };
}

/** A refresh with the token of an earlier answer, as its body would send it. */
export const refresh = ({ all }: Fixture, token: string | undefined, idempotencyKey?: string) =>
  all.sessions.refresh({ ...(token !== undefined && { refresh_token: token }) }, anyone({ idempotencyKey }));

/** Reads whose next result waits, once it was read, for the next of `gates`. */
export function gatedReads() {
  const gates: Promise<void>[] = [];
  const plugin: KyselyPlugin = {
    transformQuery: ({ node }) => node,
    async transformResult({ result }) {
      await gates.shift();
      return result;
    },
  };
  return { gates, wrap: (sql: Sql): Sql => ({ ...sql, read: sql.read.withPlugin(plugin) }) };
}

export const problem = (code: string, more: object = {}) => expect.objectContaining({ code, ...more });
