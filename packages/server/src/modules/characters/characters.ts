import { setImmediate as nextTurn } from "node:timers/promises";
import { isDeepStrictEqual } from "node:util";
import type { Api, characters, SignedInContext } from "@parley-chat/sdk/contract";
import { Problem } from "@parley-chat/sdk/contract/problem";
import { LRUCache } from "lru-cache";
import type { Clock } from "../../kit/clock.ts";
import { failpoint } from "../../kit/failpoint.ts";
import { derivedId, isId } from "../../kit/ids.ts";
import type { Limits } from "../../kit/limits.ts";
import type { Blobs } from "../../ports/blobs/blobs.ts";
import type { Sql } from "../../ports/sql/sql.ts";
import { changeCard, fieldsOf, readCard } from "./card.ts";
import { writeCardJson, writeCardPng } from "./card-file.ts";
import type { CardReader } from "./card-reader.ts";
import {
  type Cached,
  type ExportedCharacter,
  forCache,
  type TurnCharacter,
  toCharacter,
  toExport,
  toExportedVersion,
} from "./character-views.ts";
import {
  type Avatar,
  type Db,
  characterRepository as repository,
  type StoredCharacter,
  searchable,
  textsOf,
} from "./characters.repository.ts";
import { readListCursor, writeListCursor } from "./list-cursor.ts";
import { createPictures, fileName } from "./pictures.ts";
import { starters } from "./starters/index.ts";

/** UTF-16 units of all cached texts together; a small one counts as more, for it takes more than its text. */
const CACHED_UNITS_MAX = 16 * 1024 * 1024;
const CACHED_UNITS_MIN = 1_600;
const LIST_LIMIT = 50;

export type { ExportedCharacter, TurnCharacter } from "./character-views.ts";

interface NewCharacter {
  readonly card: StoredCharacter["card"];
  readonly visibility?: "private" | "public" | undefined;
  readonly avatar: Avatar | null;
}

export interface Characters extends Api<typeof characters> {
  /**
   * The newest version, whoever asks and deleted or not; null where there never was one. The same
   * object again until the character changes. Only what changes here is noticed: processes that share
   * a database must be told of each other's changes.
   */
  forTurn(characterId: string): Promise<TurnCharacter | null>;
  /**
   * The same, for a user who may see it: one's own, a public one, one of ours; else null. A deleted one
   * is shown to whoever could see it before, with `isDeleted`.
   */
  visibleTo(characterId: string, userId: string): Promise<TurnCharacter | null>;
  /** Deletes every character of a user and empties all of their versions. Repeats change nothing. */
  eraseOwnedBy(userId: string): Promise<void>;
  /** Every character of a user in all versions, deleted ones too; read as it is asked for. */
  exportOwnedBy(userId: string): AsyncIterable<ExportedCharacter>;
  /** Stores the characters that come with Parley; a new version where their text has changed. */
  seedStarters(): Promise<void>;
  /** Removes pictures that no character has any more; resolves with how many. */
  sweepPictures(): Promise<number>;
}

/**
 * Characters: their cards in versions, who may see and change them, and ours.
 * @param options.files reads what people send without blocking the event loop
 * @param options.forgetAnswers drops the answers that are kept about a character which was deleted
 * @param options.importLimit counts files by user; without it they are not limited
 */
export function createCharacters({
  sql,
  blobs,
  clock,
  files,
  forgetAnswers,
  importLimit,
}: {
  sql: Sql;
  blobs: Blobs;
  clock: Clock;
  files: Pick<CardReader, "readCard" | "readPicture">;
  forgetAnswers(characterId: string): Promise<void>;
  importLimit?: Limits;
}): Characters {
  const pictures = createPictures({ sql, blobs, clock });
  const cache = new LRUCache<string, Cached>({
    maxSize: CACHED_UNITS_MAX,
    sizeCalculation: ({ character }) => Math.max(CACHED_UNITS_MIN, JSON.stringify(character).length),
  });
  let changes = 0;

  /** After a change is stored. What was read before it is not kept, even if that read ends later. */
  const forget = (id: string | null) => {
    changes++;
    if (id === null) cache.clear();
    else cache.delete(id);
  };

  async function cached(id: string): Promise<Cached | null> {
    const known = cache.get(id);
    if (known || !isId(id)) return known ?? null;
    const changesBefore = changes;
    const stored = await repository.newest(sql.read, id);
    if (!stored) return null;
    const entry = forCache(stored);
    if (changes === changesBefore) cache.set(id, entry);
    return entry;
  }

  async function insertOnce(
    { card, visibility = "private", avatar }: NewCharacter,
    context: SignedInContext,
  ): Promise<StoredCharacter> {
    const at = clock.now();
    const made: StoredCharacter = {
      id: context.newId(),
      ownerId: context.principal.userId,
      version: 1,
      visibility,
      card,
      avatar,
      createdAt: at,
      updatedAt: at,
      deletedAt: null,
    };
    const texts = textsOf(card);
    await nextTurn();
    return sql.write(async (tx) => {
      // The call was made before and its answer was lost in a kill: the id is derived from its key.
      const earlier = await repository.newest(tx, made.id);
      if (earlier?.ownerId === made.ownerId) {
        if (earlier.deletedAt !== null) throw missing();
        return earlier;
      }
      await repository.insert(tx, made, texts);
      return made;
    });
  }

  /** Throws `not_found` unless the caller may see it. */
  async function visible(id: string, context: SignedInContext, version?: number): Promise<StoredCharacter> {
    const { userId } = context.principal;
    const stored = isId(id) ? await repository.visible(sql.read, id, userId, version) : null;
    if (!stored) throw missing(version);
    return stored;
  }

  /** Throws `not_found` or `not_owner` unless the caller may change it. */
  async function own(db: Db, id: string, { principal }: SignedInContext): Promise<StoredCharacter> {
    const current = isId(id) ? await repository.visible(db, id, principal.userId) : null;
    if (!current) throw missing();
    if (current.ownerId !== principal.userId) throw notOwner();
    return current;
  }

  /** Refused files count too: reading them is what costs. */
  async function countFile(context: SignedInContext): Promise<void> {
    const taken = await importLimit?.take(context.principal.userId);
    if (taken) context.showLimit(taken.state);
    if (taken?.ok === false) throw taken.problem;
  }

  async function changeAvatar(id: string, avatar: Avatar | null, context: SignedInContext) {
    failpoint("k19");
    const kept = await sql.write(async (tx) => {
      const current = await own(tx, id, context);
      await repository.setAvatar(tx, id, avatar);
      return { ...current, avatar };
    });
    forget(id);
    return toCharacter(kept);
  }

  /** Oldest first, each read when it is asked for: together they can be larger than memory. */
  async function* exportedVersions(id: string, newest: number) {
    for (let version = 1; version <= newest; version++) {
      const stored = await repository.version(sql.read, id, version);
      if (stored) yield toExportedVersion(stored);
    }
  }

  return {
    async create(input, context) {
      const card = readCard(input);
      return toCharacter(await insertOnce({ card, visibility: input.visibility, avatar: null }, context));
    },

    // Each step of a large card takes a while: between them the loop does what waits.
    async import(sent, context) {
      await countFile(context);
      const { card, picture, report } = await files.readCard(sent);
      const avatar = await pictures.keep(picture);
      failpoint("k19");
      await nextTurn();
      const stored = await insertOnce({ card, avatar }, context);
      await nextTurn();
      return { character: toCharacter(stored), report };
    },

    async export({ character_id, format = "json" }, context) {
      const stored = await visible(character_id, context);
      const { name } = fieldsOf(stored.card);
      return {
        type: format === "png" ? "image/png" : "application/json",
        name: fileName(name, format),
        read: async () =>
          format === "png"
            ? writeCardPng(stored.card, await pictures.forExport(stored, name))
            : writeCardJson(stored.card),
      };
    },

    async avatar({ character_id, size = "full", v }, context) {
      return pictures.answer(await visible(character_id, context), size, v);
    },

    async setAvatar({ character_id, file }, context) {
      await countFile(context);
      await own(sql.read, character_id, context);
      const picture = await files.readPicture(file);
      return changeAvatar(character_id, await pictures.keep(picture), context);
    },

    removeAvatar: ({ character_id }, context) => changeAvatar(character_id, null, context),

    async list({ q, tag, cursor, limit }, context) {
      const { items, hasMore } = await repository.list(sql, {
        userId: context.principal.userId,
        search: searchable(q ?? ""),
        tag: (tag ?? "").trim(),
        after: cursor === undefined ? null : readListCursor(cursor),
        limit: limit ?? LIST_LIMIT,
      });
      const last = items.at(-1);
      return {
        items: items.map(toCharacter),
        next_cursor: hasMore && last ? writeListCursor(last) : null,
      };
    },

    async get({ character_id, version }, context) {
      return toCharacter(await visible(character_id, context, version));
    },

    async update({ character_id, visibility, ...fields }, context) {
      const kept = await sql.write(async (tx) => {
        const current = await own(tx, character_id, context);
        checkVersion(context.ifMatch, current.version);
        const card = changeCard(current.card, fields);
        const nextVisibility = visibility ?? current.visibility;
        if (!card && nextVisibility === current.visibility) return current;
        const next: StoredCharacter = {
          ...current,
          version: current.version + 1,
          visibility: nextVisibility,
          card: card ?? current.card,
          // A wall clock that was set back does not make a version older than the one before.
          updatedAt: Math.max(clock.now(), current.updatedAt),
        };
        await repository.addVersion(tx, next);
        return next;
      });
      forget(kept.id);
      return toCharacter(kept);
    },

    async remove({ character_id }, context) {
      const { userId } = context.principal;
      await sql.write(async (tx) => {
        const current = isId(character_id) ? await repository.newest(tx, character_id) : null;
        const isMine = current?.ownerId === userId;
        const isVisible = isMine || (current?.visibility === "public" && current.deletedAt === null);
        if (!isVisible) throw missing();
        if (!isMine) throw notOwner();
        await repository.markDeleted(tx, character_id, userId, clock.now());
      });
      forget(character_id);
      await forgetAnswers(character_id);
    },

    forTurn: async (characterId) => (await cached(characterId))?.character ?? null,

    async visibleTo(characterId, userId) {
      const found = await cached(characterId);
      return found && (found.isPublic || found.ownerId === userId) ? found.character : null;
    },

    async eraseOwnedBy(userId) {
      await sql.write((tx) => repository.erase(tx, userId, clock.now()));
      forget(null);
    },

    async *exportOwnedBy(userId) {
      for (const id of await repository.idsOf(sql.read, userId)) {
        const newest = await repository.newest(sql.read, id);
        if (!newest) continue;
        const picture = newest.avatar && (await blobs.get(newest.avatar.picture));
        yield toExport(newest, exportedVersions(id, newest.version), picture);
      }
    },

    async seedStarters() {
      const ours = starters.map(({ slug, card }) => ({ id: derivedId("starter", slug), card }));
      const isCurrent = async ({ id, card }: (typeof ours)[number]) =>
        isDeepStrictEqual((await repository.newest(sql.read, id))?.card.data, card);
      // A start with nothing to do costs no write.
      const areCurrent = await Promise.all(ours.map(isCurrent));
      if (areCurrent.every(Boolean)) return;
      await sql.write(async (tx) => {
        for (const { id, card } of ours) await seed(tx, id, readCard(card), clock.now());
      });
      forget(null);
    },

    sweepPictures: pictures.sweep,
  };
}

async function seed(tx: Db, id: string, card: StoredCharacter["card"], at: number): Promise<void> {
  const current = await repository.newest(tx, id);
  if (!current) {
    const made = {
      id,
      ownerId: null,
      version: 1,
      visibility: "public",
      card,
      avatar: null,
      createdAt: at,
      updatedAt: at,
    } as const;
    await repository.insert(tx, { ...made, deletedAt: null });
  } else if (!isDeepStrictEqual(current.card.data, card.data)) {
    await repository.addVersion(tx, { ...current, version: current.version + 1, card, updatedAt: at });
  }
}

const missing = (version?: number): Problem =>
  new Problem(
    "not_found",
    version === undefined ? "There is no such character." : "There is no such character or version.",
  );

const notOwner = (): Problem =>
  new Problem("not_owner", "This character is not yours; you can read it but not change it.");

/** `If-Match` of RFC 9110: one or several quoted versions, or `*`. Weak tags never match. */
function checkVersion(ifMatch: string | undefined, version: number): void {
  if (ifMatch === undefined || ifMatch.trim() === "*") return;
  const isMatch = ifMatch.split(",").some((tag) => tag.trim() === `"${version}"`);
  if (isMatch) return;
  throw new Problem(
    "version_conflict",
    `The character is at version ${version}: read it again, then send If-Match: "${version}".`,
  );
}
