import type { Character } from "@parley-chat/sdk";
import { useMemo } from "react";
import { useStores } from "../stores/stores.ts";

/** All that the editor sets of a character. */
export type CharacterFields = Pick<
  Character,
  | "name"
  | "description"
  | "personality"
  | "scenario"
  | "first_mes"
  | "mes_example"
  | "creator_notes"
  | "system_prompt"
  | "post_history_instructions"
  | "tags"
  | "alternate_greetings"
  | "creator"
  | "character_version"
  | "visibility"
>;

interface Draft {
  /** Of the character that was changed; 0 for a new one. */
  version: number;
  fields: CharacterFields;
}

/** What was typed into the editor and not saved, kept in this browser until it is saved or put away. */
export function useCharacterDraft(character: Character | null) {
  const { kept } = useStores();
  const key = `character.${character?.id ?? "new"}`;
  const version = character?.version ?? 0;
  return useMemo(() => {
    const draft = kept.read<Draft>(key);
    return {
      fields: draft?.fields ?? null,
      /** The character was changed elsewhere since. */
      isOlder: draft !== undefined && draft.version !== version,
      keep: (fields: CharacterFields) => kept.write(key, { version, fields } satisfies Draft),
      drop: () => kept.write(key, undefined),
    };
  }, [kept, key, version]);
}
