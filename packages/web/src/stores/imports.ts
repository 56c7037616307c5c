import { announce } from "../lib/announce.ts";
import { navigate, paths } from "../lib/router.ts";
import { sentenceOf } from "../lib/sentence.ts";
import { createStore, type Store } from "../lib/store.ts";
import { strings } from "../strings.ts";
import type { Characters } from "./characters.ts";

export interface Import {
  readonly id: number;
  readonly file: string;
  readonly status: "reading" | "done" | "failed";
  readonly text: string;
  readonly characterId?: string;
  readonly warnings: readonly string[];
}

/** What is being imported and what came of it, until it is put away. */
export interface Imports {
  readonly list: Store<readonly Import[]>;
  /** Takes in card files, one after the other; shows the character where there was only one. */
  add(files: readonly File[]): Promise<void>;
  putAway(id: number): void;
  close(): void;
}

const FILES_MAX = 50;
/** As many as the server takes where nobody set another limit. */
const CARD_BYTES_MAX = 16 * 1024 * 1024;

export function createImports({ characters }: { characters: Pick<Characters, "importCard"> }): Imports {
  const list = createStore<readonly Import[]>([]);
  let lastId = 0;
  let isClosed = false;
  const putAway = (id: number) => list.set((old) => old.filter((one) => one.id !== id));

  async function take(file: File, isOnly: boolean) {
    const s = strings.cards;
    const id = ++lastId;
    const change = (next: Partial<Import>) =>
      list.set((old) => old.map((one) => (one.id === id ? { ...one, ...next } : one)));
    list.set((old) => [
      ...old,
      { id, file: file.name, status: "reading", text: s.importing(file.name), warnings: [] },
    ]);
    const fail = (reason: string) => {
      const text = s.failed(file.name, reason);
      change({ status: "failed", text });
      announce(text);
    };
    if (file.size > CARD_BYTES_MAX) return fail(s.tooLarge);
    try {
      const { character, report } = await characters.importCard(file);
      if (isClosed) return;
      const text = s.done(character.name);
      const warnings = report.warnings.map(({ message }) => message);
      announce(text);
      change({ status: "done", text, characterId: character.id, warnings });
      if (!isOnly) return;
      // Its sheet says all that there is to say.
      if (warnings.length === 0) putAway(id);
      navigate(paths.character(character.id));
    } catch (error) {
      if (!isClosed) fail(sentenceOf(error).text);
    }
  }

  return {
    list,
    putAway,
    async add(files) {
      for (const file of files.slice(0, FILES_MAX)) if (!isClosed) await take(file, files.length === 1);
    },
    close() {
      isClosed = true;
    },
  };
}
