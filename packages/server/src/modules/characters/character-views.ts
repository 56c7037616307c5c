import type { Character } from "@parley-chat/sdk/contract";
import { fieldsOf, fileOf } from "./card.ts";
import type { StoredCharacter } from "./characters.repository.ts";

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
  > & { isDeleted: boolean }
>;

/** A character with all its versions, as its owner's export holds it. */
export interface ExportedCharacter {
  id: string;
  visibility: "private" | "public";
  created_at: string;
  deleted_at?: string;
  /** Oldest first; `card` is the whole card in its own specification. */
  versions: { version: number; created_at: string; card: Record<string, unknown> }[];
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
  const { mes_example, system_prompt, post_history_instructions } = fields;
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
    },
  };
}

const time = (ms: number): string => new Date(ms).toISOString();

/** A character in the form of the contract. */
export const toCharacter = (stored: StoredCharacter): Character => ({
  id: stored.id,
  version: stored.version,
  owner_id: stored.ownerId,
  visibility: stored.visibility,
  avatar_url: null,
  ...fieldsOf(stored.card),
  created_at: time(stored.createdAt),
  updated_at: time(stored.updatedAt),
});

/** A character in the form of an export; `versions` oldest first. */
export const toExport = (
  character: StoredCharacter,
  versions: readonly StoredCharacter[],
): ExportedCharacter => ({
  id: character.id,
  visibility: character.visibility,
  created_at: time(character.createdAt),
  ...(character.deletedAt !== null && { deleted_at: time(character.deletedAt) }),
  versions: versions.map(({ version, updatedAt, card }) => ({
    version,
    created_at: time(updatedAt),
    card: fileOf(card),
  })),
});
