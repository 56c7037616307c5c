import { type Character, type Client, Problem } from "@parley-chat/sdk";
import { createStore, type Store } from "../lib/store.ts";

export interface CharacterList {
  readonly items: readonly Character[];
  readonly status: "loading" | "ready" | "failed";
  readonly error?: unknown;
}

/** The characters that one may talk with. */
export interface Characters {
  readonly list: Store<CharacterList>;
  load(): Promise<void>;
  /** Null where there is none (any more). */
  get(id: string): Promise<Character | null>;
  save(character: Character): void;
  remove(id: string): Promise<void>;
  /** Gives a character a picture (a PNG), takes its own away, or leaves it: resolves with the character then. */
  setPicture(character: Character, choice: "stays" | "goes" | Blob): Promise<Character>;
  /** Takes in a card file. */
  importCard(file: Blob): Promise<ImportedCard>;
  /** A character as a card file. */
  exportCard(id: string, format: "json" | "png"): Promise<Blob>;
}

export type ImportedCard = Awaited<ReturnType<Client["characters"]["import"]>>;

const PAGE = 200;
const CHARACTERS_MAX = 2_000;
/** The server cuts pages by bytes as well, so that one of them may hold a single character. */
const PAGES_MAX = 2_000;

export function createCharacters({ client }: { client: Client }): Characters {
  const list = createStore<CharacterList>({ items: [], status: "loading" });
  const asked = new Map<string, Promise<Character | null>>();

  function save(character: Character) {
    asked.set(character.id, Promise.resolve(character));
    list.set((old) => {
      const at = old.items.findIndex(({ id }) => id === character.id);
      return { ...old, items: at < 0 ? [character, ...old.items] : old.items.with(at, character) };
    });
  }

  async function read(id: string): Promise<Character | null> {
    try {
      return await client.characters.get({ character_id: id });
    } catch (error) {
      if (error instanceof Problem && error.code === "not_found") return null;
      asked.delete(id);
      throw error;
    }
  }

  return {
    list,
    save,
    async load() {
      try {
        const items: Character[] = [];
        let cursor: string | null = null;
        for (let page = 0; page < PAGES_MAX && items.length < CHARACTERS_MAX; page++) {
          const got: Awaited<ReturnType<Client["characters"]["list"]>> = await client.characters.list({
            limit: PAGE,
            ...(cursor !== null && { cursor }),
          });
          items.push(...got.items);
          cursor = got.next_cursor;
          if (cursor === null) break;
        }
        list.set({ items, status: "ready" });
      } catch (error) {
        list.set((old) => ({ ...old, status: "failed", error }));
      }
    },
    get(id) {
      const known = list.get().items.find((one) => one.id === id);
      if (known) return Promise.resolve(known);
      const asking = asked.get(id) ?? read(id);
      asked.set(id, asking);
      return asking;
    },
    async remove(id) {
      await client.characters.remove({ character_id: id });
      list.set((old) => ({ ...old, items: old.items.filter((one) => one.id !== id) }));
    },
    async setPicture(character, choice) {
      const id = { character_id: character.id };
      if (choice instanceof Blob) return client.characters.setAvatar({ ...id, file: choice });
      return choice === "goes" && character.avatar_url !== null
        ? client.characters.removeAvatar(id)
        : character;
    },
    async importCard(file) {
      const imported = await client.characters.import({ file });
      save(imported.character);
      return imported;
    },
    exportCard: (id, format) => client.characters.export({ character_id: id, format }),
  };
}
