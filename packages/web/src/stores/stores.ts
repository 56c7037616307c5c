import { createRealtime, type User } from "@parley-chat/sdk";
import { createContext, useContext } from "react";
import { browserStorage, createKept, type Kept } from "../lib/kept.ts";
import { createLive, type Live } from "../lib/live.ts";
import type { PageSession } from "../lib/session.ts";
import { type Characters, createCharacters } from "./characters.ts";
import { type Conversations, createConversations } from "./conversations.ts";
import { createImports, type Imports } from "./imports.ts";
import { createPictures, type Pictures } from "./pictures.ts";
import { createPreferences, type Preferences } from "./preferences.ts";

/** All that a signed-in page works with; another person's sign-in makes another. */
export interface Stores {
  readonly session: PageSession;
  readonly user: User;
  readonly client: PageSession["client"];
  readonly kept: Kept;
  readonly live: Live;
  readonly conversations: Conversations;
  readonly characters: Characters;
  readonly pictures: Pictures;
  readonly imports: Imports;
  readonly preferences: Preferences;
  /** Nothing of one person is left for the next. */
  close(): void;
}

export function createStores(session: PageSession, user: User): Stores {
  const { client } = session;
  const kept = createKept(browserStorage(), `parley.${user.id}.`);
  const conversations = createConversations({ client });
  const characters = createCharacters({ client });
  const pictures = createPictures({ client, urls: URL });
  const imports = createImports({ characters });
  const realtime = createRealtime({ client, baseUrl: location.origin });
  const live = createLive({ realtime, conversations });
  return {
    session,
    user,
    client,
    kept,
    live,
    conversations,
    characters,
    pictures,
    imports,
    preferences: createPreferences(kept),
    close() {
      live.close();
      imports.close();
      pictures.close();
    },
  };
}

export const StoresContext = createContext<Stores | null>(null);

export function useStores(): Stores {
  const stores = useContext(StoresContext);
  if (!stores) throw new Error("no one is signed in here");
  return stores;
}
