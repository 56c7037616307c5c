import type { PubSub } from "./pubsub.ts";

export type { PubSub } from "./pubsub.ts";

/** Opens the pub/sub that the settings name; without any it is the embedded one. */
export async function openPubSub({ onError }: { onError?: (error: unknown) => void } = {}): Promise<PubSub> {
  const { createMemoryPubSub } = await import("./memory.ts");
  return createMemoryPubSub(onError === undefined ? {} : { onError });
}
