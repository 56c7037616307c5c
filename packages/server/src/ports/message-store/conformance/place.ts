import { afterEach, beforeEach } from "vitest";
import { type MessageStoreSettings, openMessageStore } from "../index.ts";
import type { MessageStore } from "../message-store.ts";

/** Gives the settings of a store that is empty; called once a test. */
export type FreshPlace = () => MessageStoreSettings;

export interface Place {
  readonly settings: MessageStoreSettings;
  readonly store: MessageStore;
  /** Closes the store and opens what is on disk, as a restart would. */
  reopen(onStep?: (name: string) => void): Promise<MessageStore>;
}

/** A fresh store for each test of the file that calls this. */
export function usePlace(freshPlace: FreshPlace): Place {
  let settings: MessageStoreSettings;
  let store: MessageStore;
  beforeEach(async () => {
    settings = freshPlace();
    store = await openMessageStore(settings);
  });
  afterEach(() => store.close());
  return {
    get settings() {
      return settings;
    },
    get store() {
      return store;
    },
    async reopen(onStep) {
      await store.close();
      store = await openMessageStore({ ...settings, ...(onStep && { onStep }) });
      return store;
    },
  };
}
