import { join } from "node:path";
import type { Problem } from "@parley-chat/sdk/contract/problem";
import type { MessageStore } from "./message-store.ts";

export interface MessageStoreSettings {
  dataDir: string;
  /** Every step commits by itself, as in a store without transactions. For tests. */
  commitEachStep?: boolean;
  /** Hears of each step of each operation, and may throw in place of a kill. For tests. */
  onStep?: (name: string) => void;
  /** Hears of each durable write: null where it went well, else why it was refused. */
  onOutcome?: (refusal: Problem | null) => void;
}

/** Opens the message store that the settings name; without any it is `messages.db` in the data folder. */
export async function openMessageStore(settings: MessageStoreSettings): Promise<MessageStore> {
  const { dataDir, ...rest } = settings;
  const { createSqliteMessageStore } = await import("./sqlite.ts");
  return createSqliteMessageStore({ ...rest, path: join(dataDir, "messages.db") });
}
