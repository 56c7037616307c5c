import type { FileAnswer } from "@parley-chat/sdk/contract";
import { Problem } from "@parley-chat/sdk/contract/problem";
import type { Clock } from "../../kit/clock.ts";
import { PngError } from "../../kit/png/chunks.ts";
import type { Blobs } from "../../ports/blobs/blobs.ts";
import type { Sql } from "../../ports/sql/sql.ts";
import { notShown, readPictureFile } from "./card-file.ts";
import { type CardPicture, prepared } from "./card-picture.ts";
import { avatarTag } from "./character-views.ts";
import {
  type Avatar,
  characterRepository as repository,
  type StoredCharacter,
} from "./characters.repository.ts";
import { drawPortrait, placeholderFor, portraitOf } from "./portraits/portraits.ts";

/** An import stores its pictures first and its row after; none takes longer. */
const GRACE_MS = 3_600_000;
const SWEPT_TOGETHER = 500;
/** The address of a picture changes with it, so a cache need not ask within a day. */
const FRESH_S = 86_400;

/** The pictures of characters: kept as blobs, or drawn where they are ours. */
export function createPictures({ sql, blobs, clock }: { sql: Sql; blobs: Blobs; clock: Clock }) {
  return {
    /** Stores an imported picture, large and small. */
    async keep(picture: CardPicture | null): Promise<Avatar | null> {
      return picture && store(picture);
    },

    /** @throws `validation_failed` where it cannot be shown */
    async take(file: Uint8Array): Promise<Avatar> {
      const png = readPictureFile(file);
      const picture = await prepared(png).catch((error) => {
        throw error instanceof PngError ? notShown(error) : error;
      });
      return store(picture);
    },

    /** @throws `not_found` where the character has no picture */
    answer(stored: StoredCharacter, size: "full" | "thumb", version: string | undefined): FileAnswer {
      const tag = avatarTag(stored);
      if (tag === null) throw noPicture();
      return {
        type: "image/png",
        tag: `${tag}-${size}`,
        ...(version === tag && { freshS: FRESH_S }),
        read: () => read(stored, size),
      };
    },

    /** The picture that carries an exported card. */
    async forExport(stored: StoredCharacter, name: string): Promise<Uint8Array> {
      return avatarTag(stored) === null ? placeholderFor(name) : read(stored, "full");
    },

    /** Removes blobs that no character has as its picture and that nobody stored just now (k19). */
    async sweep(): Promise<number> {
      const before = clock.now() - GRACE_MS;
      let removed = 0;
      let batch: string[] = [];
      const flush = async () => {
        const inUse = batch.length === 0 ? new Set() : await repository.inUse(sql.read, batch);
        for (const hash of batch) {
          if (!inUse.has(hash) && (await blobs.removeStoredBefore(hash, before))) removed++;
        }
        batch = [];
      };
      for await (const hash of blobs.storedBefore(before)) {
        batch.push(hash);
        if (batch.length === SWEPT_TOGETHER) await flush();
      }
      await flush();
      return removed;
    },
  };

  async function store({ whole, small }: CardPicture): Promise<Avatar> {
    const thumb = small && (await blobs.put(small));
    return { picture: await blobs.put(whole), thumb };
  }

  async function read({ avatar, id }: StoredCharacter, size: "full" | "thumb"): Promise<Uint8Array> {
    const portrait = portraitOf(id);
    if (!avatar && portrait) return drawPortrait(portrait, size);
    const hash = size === "thumb" ? (avatar?.thumb ?? avatar?.picture) : avatar?.picture;
    const bytes = hash === undefined ? null : await blobs.get(hash);
    if (!bytes) throw noPicture();
    return bytes;
  }
}

const noPicture = () => new Problem("not_found", "This character has no picture.");

const NAME_UNITS_MAX = 80;

/** A name for a card's file: the character's, without what file systems or shells take amiss. */
export function fileName(name: string, format: "json" | "png"): string {
  const plain = name
    .replace(/[\p{C}/\\:*?"<>|]+/gu, " ")
    .trim()
    .replace(/^\.+/, "")
    .slice(0, NAME_UNITS_MAX)
    .toWellFormed();
  return `${plain.trim() || "character"}.${format}`;
}
