import type { PubSub } from "../../ports/pubsub/pubsub.ts";

const CHANNEL = "auth.revoked";

/** What is no longer good: one session or key, or everything of a user. */
export type Revocation = { readonly credentialId: string } | { readonly userId: string };

/** A session that lives on: for longer than before, and maybe without some of its access tokens. */
export type Change = { readonly changedId: string };

export interface Revocations {
  /** Tells every listener here before it returns, and those of other processes soon after. */
  announce(news: Revocation | Change): void;
  /** Returns the function that ends it. */
  listen(listener: (news: Revocation | Change) => void): () => void;
  close(): void;
}

export function createRevocations({ pubsub, newId }: { pubsub: PubSub; newId(): string }): Revocations {
  const listeners = new Set<(news: Revocation | Change) => void>();
  const here = newId();

  function tell(news: Revocation | Change) {
    for (const listener of [...listeners]) {
      try {
        listener(news);
      } catch {
        // Whoever closes a stream badly must not keep the next from hearing.
      }
    }
  }

  const unsubscribe = pubsub.subscribe(CHANNEL, (payload) => {
    if (!isNews(payload) || payload.from === here) return;
    const { from: _, ...news } = payload;
    tell(news);
  });

  return {
    announce(news) {
      tell(news);
      pubsub.publish(CHANNEL, { ...news, from: here });
    },
    listen(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    close() {
      unsubscribe();
      listeners.clear();
    },
  };
}

function isNews(payload: unknown): payload is (Revocation | Change) & { from?: unknown } {
  if (typeof payload !== "object" || payload === null) return false;
  return ["credentialId", "userId", "changedId"].some(
    (name) => typeof Reflect.get(payload, name) === "string",
  );
}
