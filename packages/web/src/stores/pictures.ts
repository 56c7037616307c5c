import type { Character, Client } from "@parley-chat/sdk";

export type PictureSize = "full" | "thumb";

/** A picture for as long as it is on the screen. */
export interface HeldPicture {
  /** Its address in this page; null where it has none, or none can be had now. */
  readonly url: Promise<string | null>;
  release(): void;
}

/** The pictures of characters, the last seen ones kept: the browser frees none by itself. */
export interface Pictures {
  hold(character: Character, size: PictureSize): HeldPicture;
  /** Frees all of them, those on the screen too. */
  close(): void;
}

interface Entry {
  url: Promise<string | null>;
  holders: number;
}

/** Beside those on the screen. */
const KEPT_MAX = 60;

export function createPictures(uses: {
  client: Client;
  urls: Pick<typeof URL, "createObjectURL" | "revokeObjectURL">;
  keptMax?: number;
}): Pictures {
  const { client, urls, keptMax = KEPT_MAX } = uses;
  /** Those longest out of use first. */
  const entries = new Map<string, Entry>();
  let isClosed = false;

  function drop(name: string, entry: Entry) {
    if (entries.get(name) === entry) entries.delete(name);
    void entry.url.then((url) => url !== null && urls.revokeObjectURL(url));
  }

  function trim() {
    const unused = [...entries].filter(([, { holders }]) => holders === 0);
    for (const [name, entry] of unused.slice(0, Math.max(0, unused.length - keptMax))) drop(name, entry);
  }

  function fetched(name: string, character: Character, size: PictureSize): Entry {
    const url = client.characters.avatar({ character_id: character.id, size }).then(
      (picture) => (isClosed ? null : urls.createObjectURL(picture)),
      () => {
        // A picture that cannot be had now is asked for again the next time it is shown.
        if (entries.get(name) === entry) entries.delete(name);
        return null;
      },
    );
    const entry: Entry = { url, holders: 0 };
    return entry;
  }

  return {
    hold(character, size) {
      if (character.avatar_url === null || isClosed) return { url: Promise.resolve(null), release() {} };
      const name = `${character.avatar_url} ${size}`;
      const entry = entries.get(name) ?? fetched(name, character, size);
      entry.holders++;
      entries.set(name, entry);
      let isHeld = true;
      return {
        url: entry.url,
        release() {
          if (!isHeld) return;
          isHeld = false;
          entry.holders--;
          if (entry.holders > 0 || entries.get(name) !== entry) return;
          entries.delete(name);
          entries.set(name, entry);
          trim();
        },
      };
    },
    close() {
      isClosed = true;
      for (const [name, entry] of [...entries]) drop(name, entry);
    },
  };
}
