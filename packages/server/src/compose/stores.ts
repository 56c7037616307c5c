import { Problem } from "@parley-chat/sdk/contract/problem";
import type { Config } from "../config.ts";
import type { Clock } from "../kit/clock.ts";
import { createHealth } from "../kit/health.ts";
import type { Log } from "../kit/log.ts";
import { openBlobs } from "../ports/blobs/index.ts";
import { openKv } from "../ports/kv/index.ts";
import { openMessageStore } from "../ports/message-store/index.ts";
import { openPubSub } from "../ports/pubsub/index.ts";
import { openSql } from "../ports/sql/index.ts";

export type Stores = Awaited<ReturnType<typeof openStores>>;

/** What a process keeps things in, and whether that takes writes. */
export async function openStores(config: Config, { log, clock }: { log: Log; clock: Clock }) {
  const sql = await openSql({ dataDir: config.dataDir });
  const store = await openMessageStore({
    dataDir: config.dataDir,
    onOutcome: (refusal) => health.report("messages", refusal),
  });
  const blobs = await openBlobs({ dataDir: config.dataDir, clock });
  const kv = await openKv({ clock });
  const pubsub = await openPubSub({ onError: (error) => log.error("a listener failed", { error }) });
  const health = createHealth({
    clock,
    dependencies: [
      { name: "accounts", probe: sql.probe },
      { name: "messages", probe: store.probe },
    ],
    onChange(name, isOk, refusal) {
      if (isOk) log.info("a store takes writes again", { store: name });
      else log.error("a store refuses writes", { store: name, ...whyRefused(refusal) });
    },
  });
  return { sql, store, blobs, kv, pubsub, health };
}

/** What the log says of a refused write: a disk's refusal is no fault of ours, and needs no stack. */
function whyRefused(refusal: unknown): Record<string, unknown> {
  if (!(refusal instanceof Problem) || refusal.code !== "storage_unavailable") return { error: refusal };
  return { reason: refusal.detail, cause: (refusal.cause as Error | undefined)?.message };
}
