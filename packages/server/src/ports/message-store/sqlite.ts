import type { Problem } from "@parley-chat/sdk/contract/problem";
import { createGroupedWriter } from "../../kit/sqlite/grouped-writer.ts";
import { openSqlite } from "../../kit/sqlite/open.ts";
import { watchPlace } from "../../kit/sqlite/place.ts";
import { closeSqlite } from "../../kit/sqlite/wal.ts";
import { createAccepting } from "./accepting.ts";
import { createActivity } from "./activity.ts";
import { createConversations } from "./conversations.ts";
import { createErasing } from "./erasing.ts";
import { change, type StoreFile } from "./file.ts";
import type { MessageStore } from "./message-store.ts";
import { createPages } from "./pages.ts";
import { createRecent } from "./recent.ts";
import { createReplies } from "./replies.ts";
import { migrations } from "./schema.ts";
import { createTree } from "./tree.ts";
import { createTurns } from "./turns.ts";

export interface SqliteMessageStoreOptions {
  path: string;
  /** Every step commits by itself, as in a store without transactions. For tests. */
  commitEachStep?: boolean;
  /** Hears of each step of each operation, and may throw in place of a kill. For tests. */
  onStep?: (name: string) => void;
  /** Hears of each commit: null where it is on disk, else why the disk refused it. */
  onOutcome?: (refusal: Problem | null) => void;
}

/**
 * The message store in one SQLite file, on one connection: works run and commit inside one turn of the
 * event loop, so a read never meets half of one.
 */
export function createSqliteMessageStore(options: SqliteMessageStoreOptions): MessageStore {
  const { path, commitEachStep = false, onStep, onOutcome } = options;
  const db = openSqlite({ path, migrations });
  // For tests alone, and those kill processes, not power: a sync behind each step only makes them slow.
  if (commitEachStep) db.exec("PRAGMA synchronous = OFF");
  const step = (name: string) => onStep?.(name);

  const isStepwise = commitEachStep;
  const activity = createActivity({ db, step, isStepwise, monotonic: () => performance.now() });
  const recent = createRecent({ db, isStepwise });
  const writer = createGroupedWriter(db, {
    commitEachStep,
    onRollback: recent.forgetAll,
    onBegin: activity.begin,
    beforeCommit: activity.beforeCommit,
    place: watchPlace(path),
    onOutcome(refusal) {
      if (refusal === null) activity.committed();
      onOutcome?.(refusal);
    },
  });
  const file: StoreFile = {
    db,
    write: writer.write,
    step,
    isStepwise,
    recent,
    touch: activity.touch,
  };
  const tree = createTree(file);
  const replies = createReplies(file);
  const writeProbe = change(
    db,
    "INSERT INTO probes (id, count) VALUES (1, 1) ON CONFLICT (id) DO UPDATE SET count = count + 1",
  );
  let closing: Promise<void> | undefined;

  return {
    name: "sqlite",
    ...createConversations(file, tree, activity),
    ...createAccepting(file, tree, replies),
    ...createPages(file, tree),
    ...createTurns(file, tree),
    ...createErasing(file, tree, replies),
    probe: () => writer.write(() => void writeProbe()),
    close() {
      closing ??= writer
        .write(activity.write)
        .catch(() => {})
        .then(writer.close)
        .then(() => closeSqlite(db, path));
      return closing;
    },
  };
}
