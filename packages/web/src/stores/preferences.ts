import type { ConversationSettings } from "@parley-chat/sdk";
import type { Kept } from "../lib/kept.ts";
import { createStore, type Store } from "../lib/store.ts";

/** What new conversations begin with. */
export interface Preferences {
  readonly defaults: Store<ConversationSettings>;
  change(defaults: ConversationSettings): void;
}

export function createPreferences(kept: Kept): Preferences {
  const defaults = createStore<ConversationSettings>(kept.read("defaults") ?? {});
  return {
    defaults,
    change(next) {
      defaults.set(next);
      kept.write("defaults", next);
    },
  };
}
