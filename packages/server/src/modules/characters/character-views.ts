import type { Character } from "@parley-chat/sdk/contract";
import { fieldsOf, fileOf } from "./card.ts";
import type { StoredCharacter } from "./characters.repository.ts";
import { portraitOf } from "./portraits/portraits.ts";

/** What a turn and a greeting need of a character: its newest version, also where it was deleted. */
export type TurnCharacter = Readonly<
  Pick<
    Character,
    | "id"
    | "version"
    | "name"
    | "nickname"
    | "description"
    | "personality"
    | "scenario"
    | "first_mes"
    | "alternate_greetings"
    | "mes_example"
    | "system_prompt"
    | "post_history_instructions"
    | "character_book"
  > & { isDeleted: boolean }
>;

/** A character with all its versions, as its owner's export holds it. */
export interface ExportedCharacter {
  id: string;
  visibility: "private" | "public";
  created_at: string;
  deleted_at?: string;
  /** The picture, a PNG in base64; left out where there is none. */
  avatar_png?: string;
  /** Oldest first; `card` is the whole card in its own specification. */
  versions: AsyncIterable<ExportedVersion>;
}

export interface ExportedVersion {
  version: number;
  created_at: string;
  card: Record<string, unknown>;
}

/** A turn character, and who may see it. */
export interface Cached {
  readonly character: TurnCharacter;
  readonly ownerId: string | null;
  readonly isPublic: boolean;
}

/** What is kept in memory of a character. */
export function forCache({ id, version, card, deletedAt, ownerId, visibility }: StoredCharacter): Cached {
  const fields = fieldsOf(card);
  const { name, nickname, description, personality, scenario, first_mes, alternate_greetings } = fields;
  const { mes_example, system_prompt, post_history_instructions, character_book } = fields;
  return {
    ownerId,
    isPublic: visibility === "public",
    character: {
      id,
      version,
      isDeleted: deletedAt !== null,
      name,
      ...(nickname !== undefined && { nickname }),
      description,
      personality,
      scenario,
      first_mes,
      alternate_greetings,
      mes_example,
      system_prompt,
      post_history_instructions,
      ...(character_book && { character_book }),
    },
  };
}

const time = (ms: number): string => new Date(ms).toISOString();

/** Digits of the picture's hash that make its address another one when the picture changes. */
const TAG_DIGITS = 16;

/** Names the picture that a character has now, or null where it has none. */
export const avatarTag = ({ avatar, id }: Pick<StoredCharacter, "avatar" | "id">): string | null =>
  avatar?.picture.slice(0, TAG_DIGITS) ?? portraitOf(id)?.tag ?? null;

const avatarUrl = (stored: StoredCharacter): string | null => {
  const tag = avatarTag(stored);
  return tag && `/api/v2/characters/${stored.id}/avatar?v=${tag}`;
};

/** A character in the form of the contract. */
export const toCharacter = (stored: StoredCharacter): Character => ({
  id: stored.id,
  version: stored.version,
  owner_id: stored.ownerId,
  visibility: stored.visibility,
  avatar_url: avatarUrl(stored),
  ...fieldsOf(stored.card),
  created_at: time(stored.createdAt),
  updated_at: time(stored.updatedAt),
});

/** A character in the form of an export; `versions` oldest first. */
export const toExport = (
  character: StoredCharacter,
  versions: AsyncIterable<ExportedVersion>,
  picture: Uint8Array | null,
): ExportedCharacter => ({
  id: character.id,
  visibility: character.visibility,
  created_at: time(character.createdAt),
  ...(character.deletedAt !== null && { deleted_at: time(character.deletedAt) }),
  ...(picture && { avatar_png: Buffer.from(picture).toString("base64") }),
  versions,
});

export const toExportedVersion = ({ version, updatedAt, card }: StoredCharacter): ExportedVersion => ({
  version,
  created_at: time(updatedAt),
  card: fileOf(card),
});
