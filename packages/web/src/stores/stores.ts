import type { User } from "@parley-chat/sdk";
import { createContext, useContext } from "react";
import { browserStorage, createKept, type Kept } from "../lib/kept.ts";
import { createLive, type Live } from "../lib/live.ts";
import type { PageSession } from "../lib/session.ts";
import { type Characters, createCharacters } from "./characters.ts";
import { type Conversations, createConversations } from "./conversations.ts";
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
  readonly preferences: Preferences;
}

export function createStores(session: PageSession, user: User): Stores {
  const { client } = session;
  const kept = createKept(browserStorage(), `parley.${user.id}.`);
  const conversations = createConversations({ client });
  return {
    session,
    user,
    client,
    kept,
    live: createLive({ client, baseUrl: location.origin, conversations }),
    conversations,
    characters: createCharacters({ client }),
    preferences: createPreferences(kept),
  };
}

export const StoresContext = createContext<Stores | null>(null);

export function useStores(): Stores {
  const stores = useContext(StoresContext);
  if (!stores) throw new Error("no one is signed in here");
  return stores;
}
