import type { Api, Key, keys, Principal, Scope } from "@parley-chat/sdk/contract";
import { scopes as allScopes } from "@parley-chat/sdk/contract";
import { Problem } from "@parley-chat/sdk/contract/problem";
import { isId } from "../../kit/ids.ts";
import { checkText, secretNotReplayed, sha256, timeText, type UsersParts } from "./parts.ts";
import { keyToken } from "./tokens.ts";
import { countKeys, findKey, insertKey, type KeyRow, listKeys, revokeKey } from "./users.repository.ts";

const KEYS_MAX = 1_000;
const DEFAULT_SCOPES = allScopes.filter((scope) => scope !== "admin");

export interface Keys {
  readonly calls: Api<typeof keys>;
  /** Every key of a user that is not revoked, for the export. */
  all(userId: string): Promise<Key[]>;
}

export function createKeys({ sql, clock, random, revocations }: UsersParts): Keys {
  const missing = () => new Problem("not_found", "There is no such key.");

  return {
    async all(userId) {
      const rows = await listKeys(sql.read, userId, { limit: KEYS_MAX, after: null });
      return rows.map(toKey);
    },
    calls: {
      async create(input, context) {
        const { principal } = context;
        checkText("name", input.name);
        const scopes = grantedScopes(input.scopes ?? DEFAULT_SCOPES, principal);
        const now = clock.now();
        const expiresAt = input.expires_at === undefined ? null : futureTime(input.expires_at, now);
        const id = context.newId();
        const { token, prefix, secret } = keyToken(id, random(32));
        const row: KeyRow = {
          id,
          user_id: principal.userId,
          name: input.name,
          scopes: JSON.stringify(scopes),
          prefix,
          secret_hash: sha256(secret),
          expires_at: expiresAt,
          last_used_at: null,
          created_at: now,
          revoked_at: null,
        };
        await sql.write(async (tx) => {
          if (await findKey(tx, id)) throw secretNotReplayed("key", id);
          if ((await countKeys(tx, principal.userId)) >= KEYS_MAX) throw tooManyKeys();
          await insertKey(tx, row);
        });
        return { ...toKey(row), secret: token };
      },

      async list(input, { principal }) {
        const limit = input.limit ?? 50;
        const after = input.cursor === undefined ? null : readCursor(input.cursor);
        const rows = await listKeys(sql.read, principal.userId, { limit: limit + 1, after });
        const items = rows.slice(0, limit);
        const last = items.at(-1);
        return {
          items: items.map(toKey),
          next_cursor: rows.length > limit && last ? cursorOf(last) : null,
        };
      },

      async remove({ key_id }, { principal }) {
        if (!isId(key_id)) throw missing();
        const wasThere = await sql.write((tx) => revokeKey(tx, key_id, principal.userId, clock.now()));
        if (!wasThere) throw missing();
        revocations.announce({ credentialId: key_id });
        return undefined;
      },
    },
  };
}

/** A key never opens more than what made it. */
function grantedScopes(wanted: readonly Scope[], { scopes }: Principal): Scope[] {
  const beyond = wanted.find((scope) => !scopes.includes(scope));
  if (beyond === undefined) return allScopes.filter((scope) => wanted.includes(scope));
  throw new Problem(
    "forbidden",
    `This credential has no scope "${beyond}" to give; name only scopes of: ${scopes.join(", ")}.`,
  );
}

function futureTime(text: string, now: number): number {
  const time = Date.parse(text);
  if (Number.isNaN(time))
    throw Problem.invalid("expires_at", "must be a time such as 2027-01-01T00:00:00.000Z");
  if (time <= now) throw Problem.invalid("expires_at", "must lie in the future");
  return time;
}

function toKey(row: KeyRow): Key {
  return {
    id: row.id,
    name: row.name,
    scopes: JSON.parse(row.scopes) as Scope[],
    prefix: row.prefix,
    ...(row.expires_at !== null && { expires_at: timeText(row.expires_at) }),
    ...(row.last_used_at !== null && { last_used_at: timeText(row.last_used_at) }),
    created_at: timeText(row.created_at),
  };
}

const cursorOf = (row: Pick<KeyRow, "created_at" | "id">) =>
  Buffer.from(`${row.created_at}.${row.id}`).toString("base64url");

function readCursor(cursor: string): { createdAt: number; id: string } {
  const parts = /^(\d{1,15})\.(.+)$/.exec(Buffer.from(cursor, "base64url").toString());
  const id = parts?.[2] ?? "";
  const place = { created_at: Number(parts?.[1]), id };
  // Decoding forgives a lot; only what comes out the same again is a cursor of ours.
  if (!isId(id) || cursorOf(place) !== cursor) {
    throw new Problem("invalid_cursor", "The cursor is malformed. Take it from an answer of this list.", {
      errors: [{ path: "cursor", message: "must be a cursor of this list" }],
    });
  }
  return { createdAt: place.created_at, id };
}

const tooManyKeys = () =>
  new Problem("forbidden", `An account holds at most ${KEYS_MAX} keys; delete one first.`);
