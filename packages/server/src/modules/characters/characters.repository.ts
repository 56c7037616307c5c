import { type Kysely, type SqlBool, sql as text } from "kysely";
import type { Sql } from "../../ports/sql/sql.ts";
import { SPACE_ID, type Tables } from "../../ports/sql/tables.ts";
import { type Card, fieldsOf } from "./card.ts";
import { encodeTag, encodeTags } from "./tag-text.ts";

/**
 * A page holds at most so many bytes of cards, and at least one card: two hundred of the largest would
 * not fit into memory.
 */
const PAGE_BYTES_MAX = 4 * 1024 * 1024;

/** The blobs of a character's picture; `thumb` is null where the picture itself is small. */
export interface Avatar {
  readonly picture: string;
  readonly thumb: string | null;
}

/** A character in one of its versions. */
export interface StoredCharacter {
  readonly id: string;
  readonly ownerId: string | null;
  readonly version: number;
  readonly visibility: "private" | "public";
  readonly card: Card;
  /** The same in every version. */
  readonly avatar: Avatar | null;
  readonly createdAt: number;
  /** When this version was made. */
  readonly updatedAt: number;
  readonly deletedAt: number | null;
}

export interface ListPlace {
  readonly createdAt: number;
  readonly id: string;
}

export interface ListQuery {
  readonly userId: string;
  /** Lower case; "" is no filter. */
  readonly search: string;
  readonly tag: string;
  readonly after: ListPlace | null;
  readonly limit: number;
}

/** A card as its columns hold it. */
export interface CardTexts {
  readonly card: string;
  readonly envelope: string;
}

export const textsOf = ({ data, envelope }: Card): CardTexts => ({
  card: JSON.stringify(data),
  envelope: JSON.stringify(envelope),
});

export type Db = Kysely<Tables>;

/** A row of both tables, as `joined` selects it. */
interface Row {
  id: string;
  owner_id: string | null;
  version: number;
  visibility: "private" | "public";
  created_at: number;
  deleted_at: number | null;
  card: string;
  envelope: string;
  avatar: string | null;
  avatar_thumb: string | null;
  updated_at: number;
}

const stored = (row: Row): StoredCharacter => ({
  id: row.id,
  ownerId: row.owner_id,
  version: Number(row.version),
  visibility: row.visibility,
  card: { data: JSON.parse(row.card), envelope: JSON.parse(row.envelope) },
  avatar: row.avatar === null ? null : { picture: row.avatar, thumb: row.avatar_thumb },
  createdAt: Number(row.created_at),
  updatedAt: Number(row.updated_at),
  deletedAt: row.deleted_at === null ? null : Number(row.deleted_at),
});

const joined = (db: Db) =>
  db
    .selectFrom("characters as c")
    .innerJoin("character_versions as v", "v.character_id", "c.id")
    .select(["c.id", "c.owner_id", "c.visibility", "c.created_at", "c.deleted_at"])
    .select(["c.avatar", "c.avatar_thumb"])
    .select(["v.version", "v.card", "v.envelope", "v.created_at as updated_at"]);

/** Where characters are kept. Whoever gives `db` decides whether a call is part of a write. */
export const characterRepository = {
  /** The newest version, whoever owns it, deleted or not. */
  async newest(db: Db, id: string): Promise<StoredCharacter | null> {
    const row = await joined(db)
      .where("c.id", "=", id)
      .whereRef("v.version", "=", "c.version")
      .executeTakeFirst();
    return row ? stored(row) : null;
  },

  /** A version (the newest by default) of a character that this user may see (R13). */
  async visible(db: Db, id: string, userId: string, version?: number): Promise<StoredCharacter | null> {
    const query = joined(db)
      .where("c.id", "=", id)
      .where("c.deleted_at", "is", null)
      .where((eb) =>
        eb.or([
          eb("c.owner_id", "=", userId),
          // What was said while it was private stays so.
          eb.and([eb("c.visibility", "=", "public"), eb("v.visibility", "=", "public")]),
        ]),
      );
    const row = await (version === undefined
      ? query.whereRef("v.version", "=", "c.version")
      : query.where("v.version", "=", version)
    ).executeTakeFirst();
    return row ? stored(row) : null;
  },

  /** @param texts those of its card, where they were made before: of a large one that takes a while */
  async insert(tx: Db, character: StoredCharacter, texts = textsOf(character.card)): Promise<void> {
    const { id, ownerId, createdAt, avatar } = character;
    await tx
      .insertInto("characters")
      .values({
        id,
        space_id: SPACE_ID,
        owner_id: ownerId,
        created_at: createdAt,
        deleted_at: null,
        avatar: avatar?.picture ?? null,
        avatar_thumb: avatar?.thumb ?? null,
        ...row(character),
      })
      .execute();
    await insertVersion(tx, character, texts);
  },

  /** Stores `character` as the newest version of itself. */
  async addVersion(tx: Db, character: StoredCharacter): Promise<void> {
    await tx.updateTable("characters").set(row(character)).where("id", "=", character.id).execute();
    await insertVersion(tx, character, textsOf(character.card));
  },

  /** What shows the character, in all its versions. */
  async setAvatar(tx: Db, id: string, avatar: Avatar | null): Promise<void> {
    await tx
      .updateTable("characters")
      .set({ avatar: avatar?.picture ?? null, avatar_thumb: avatar?.thumb ?? null })
      .where("id", "=", id)
      .execute();
  },

  async markDeleted(tx: Db, id: string, ownerId: string, at: number): Promise<void> {
    await tx
      .updateTable("characters")
      .set({ deleted_at: at })
      .where("id", "=", id)
      .where("owner_id", "=", ownerId)
      .where("deleted_at", "is", null)
      .execute();
  },

  /**
   * Empties everything that a user's characters say and deletes them. The rows stay, so that what
   * others have in conversations with them still finds a deleted character.
   */
  async erase(tx: Db, ownerId: string, at: number): Promise<void> {
    await tx
      .updateTable("character_versions")
      .set({ card: JSON.stringify({ name: "" }), envelope: "{}" })
      .where("character_id", "in", (eb) =>
        eb.selectFrom("characters").select("id").where("owner_id", "=", ownerId),
      )
      .execute();
    await tx
      .updateTable("characters")
      .set({ name: "", search_text: "", tags: "[]", visibility: "private" })
      .set({ avatar: null, avatar_thumb: null })
      .set((eb) => ({ deleted_at: eb.fn.coalesce("deleted_at", eb.val(at)) }))
      .where("owner_id", "=", ownerId)
      .execute();
  },

  /** Those of some blobs that a character has as its picture, whoever owns it. */
  async inUse(db: Db, blobs: readonly string[]): Promise<Set<string>> {
    const rows = await db
      .selectFrom("characters")
      .select(["avatar", "avatar_thumb"])
      .where((eb) => eb.or([eb("avatar", "in", blobs), eb("avatar_thumb", "in", blobs)]))
      .execute();
    return new Set(rows.flatMap((row) => [row.avatar, row.avatar_thumb]).filter((hash) => hash !== null));
  },

  /** Ids of all characters of a user, deleted ones too, oldest first. */
  async idsOf(db: Db, ownerId: string): Promise<string[]> {
    const rows = await db
      .selectFrom("characters")
      .select("id")
      .where("owner_id", "=", ownerId)
      .orderBy("created_at")
      .orderBy("id")
      .execute();
    return rows.map(({ id }) => id);
  },

  /** One version, whoever owns it, deleted or not. */
  async version(db: Db, id: string, version: number): Promise<StoredCharacter | null> {
    const row = await joined(db).where("c.id", "=", id).where("v.version", "=", version).executeTakeFirst();
    return row ? stored(row) : null;
  },

  /** A page of what a user may see, newest first, and whether more follows. */
  async list(sql: Sql, query: ListQuery): Promise<{ items: StoredCharacter[]; hasMore: boolean }> {
    // Two walks down an index each, merged: one query with "mine or public" would sort everything.
    const [mine, open] = await Promise.all([
      candidates(sql.read, query, "characters.owner_id", query.userId),
      candidates(sql.read, query, "characters.visibility", "public"),
    ]);
    const found = [...new Map([...mine, ...open].map((row) => [row.id, row])).values()].sort(
      (a, b) => b.created_at - a.created_at || (a.id < b.id ? 1 : -1),
    );
    const page = firstPage(found, query.limit);
    return { items: await load(sql.read, page), hasMore: found.length > page.length };
  },
};

interface Candidate {
  id: string;
  version: number;
  created_at: number;
  bytes: number;
}

function candidates(
  db: Db,
  { search, tag, after, limit }: ListQuery,
  column: "characters.owner_id" | "characters.visibility",
  value: string,
): Promise<Candidate[]> {
  let rows = db
    .selectFrom("characters")
    .innerJoin("character_versions as v", (join) =>
      join.onRef("v.character_id", "=", "characters.id").onRef("v.version", "=", "characters.version"),
    )
    .select(["characters.id", "characters.version", "characters.created_at"])
    .select(text<number>`octet_length(v.card)`.as("bytes"))
    .where("characters.deleted_at", "is", null)
    .where(column, "=", value);
  if (search !== "") rows = rows.where(contains("characters.search_text", search));
  if (tag !== "") rows = rows.where(contains("characters.tags", encodeTag(tag)));
  if (after) {
    rows = rows
      .where("characters.created_at", "<=", after.createdAt)
      .where((eb) =>
        eb.or([eb("characters.created_at", "<", after.createdAt), eb("characters.id", "<", after.id)]),
      );
  }
  return rows
    .orderBy("characters.created_at", "desc")
    .orderBy("characters.id", "desc")
    .limit(limit + 1)
    .execute();
}

const contains = (column: string, part: string) =>
  text<SqlBool>`${text.ref(column)} like ${`%${part.replace(/[!%_]/g, "!$&")}%`} escape '!'`;

function firstPage(found: readonly Candidate[], limit: number): Candidate[] {
  const page: Candidate[] = [];
  let bytesLeft = PAGE_BYTES_MAX;
  for (const row of found.slice(0, limit)) {
    bytesLeft -= row.bytes;
    if (page.length > 0 && bytesLeft < 0) break;
    page.push(row);
  }
  return page;
}

async function load(db: Db, page: readonly Candidate[]): Promise<StoredCharacter[]> {
  if (page.length === 0) return [];
  const rows = await joined(db)
    .where((eb) =>
      eb.or(
        page.map(({ id, version }) => eb.and([eb("v.character_id", "=", id), eb("v.version", "=", version)])),
      ),
    )
    .execute();
  const byId = new Map(rows.map((row) => [row.id, row]));
  return page.flatMap(({ id }) => {
    const row = byId.get(id);
    return row ? [stored(row)] : [];
  });
}

/** What the columns beside the card repeat of it. */
function row({ card, version, visibility, updatedAt }: StoredCharacter) {
  const { name, description, tags } = fieldsOf(card);
  return {
    version,
    visibility,
    name,
    search_text: searchable(`${name}\n${description}`),
    tags: encodeTags(tags),
    updated_at: updatedAt,
  };
}

/** The form in which `q` and what it looks through are compared. */
export const searchable = (part: string): string => part.normalize("NFC").toLowerCase();

async function insertVersion(
  tx: Db,
  { id, version, visibility, updatedAt }: StoredCharacter,
  texts: CardTexts,
): Promise<void> {
  await tx
    .insertInto("character_versions")
    .values({
      character_id: id,
      version,
      visibility,
      ...texts,
      created_at: updatedAt,
    })
    .execute();
}
