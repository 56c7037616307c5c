import type { Character } from "@parley-chat/sdk";
import { useEffect, useState } from "react";
import { useStore } from "../lib/store.ts";
import { useStores } from "../stores/stores.ts";

/** A character by its id: undefined while it is read, null where there is none any more. */
export function useCharacter(id: string | undefined): Character | null | undefined {
  const { characters } = useStores();
  const known = useStore(characters.list).items.find((one) => one.id === id);
  const [read, setRead] = useState<{ id: string; character: Character | null } | undefined>();
  useEffect(() => {
    if (id === undefined || known) return;
    let isWanted = true;
    characters.get(id).then(
      (character) => isWanted && setRead({ id, character }),
      () => isWanted && setRead({ id, character: null }),
    );
    return () => {
      isWanted = false;
    };
  }, [id, known, characters]);
  return known ?? (read?.id === id ? read?.character : undefined);
}
