import type { Client } from "../client.ts";
import type { Conversation } from "../contract/index.ts";
import type { Subscription } from "./subscriptions.ts";

const POLL_MS = 2_000;

export interface FallbackUses {
  client: Client;
  subscriptions(): Iterable<Subscription>;
  onConversation(conversation: Conversation): void;
  /** Called with every round: unsent messages may go out. */
  onRound(): void;
}

/** Does over plain HTTP what the socket does, where sockets do not get through: looks every two seconds. */
export interface Fallback {
  start(): void;
  stop(): void;
  /** Reads a turn to its end, for a subscription. */
  follow(subscription: Subscription, turnId: string): void;
  /** Something was sent there: looks at once. */
  look(conversationId: string): void;
}

export function createFallback({ client, subscriptions, onConversation, onRound }: FallbackUses): Fallback {
  const seen = new Map<string, string>();
  const following = new Map<string, AbortController>();
  let timer: ReturnType<typeof setTimeout> | undefined;
  let isOn = false;

  const follow = (subscription: Subscription, turnId: string) => {
    if (following.has(turnId)) return;
    const cut = new AbortController();
    following.set(turnId, cut);
    void (async () => {
      try {
        for await (const event of client.events(turnId, { signal: cut.signal })) {
          subscription.takeTurn(event);
        }
      } catch {
        // The next round finds the turn again, or the list tells how it ended.
      } finally {
        following.delete(turnId);
      }
    })();
  };

  async function look(subscription: Subscription): Promise<void> {
    const { conversationId } = subscription;
    const conversation = await client.conversations.get({ conversation_id: conversationId });
    if (conversation.active_turn_id !== null) follow(subscription, conversation.active_turn_id);
    const now = JSON.stringify(conversation);
    if (seen.get(conversationId) === now) return;
    seen.set(conversationId, now);
    onConversation(conversation);
    subscription.resumed();
  }

  async function round(): Promise<void> {
    if (!isOn) return;
    onRound();
    await Promise.allSettled([...subscriptions()].map(look));
    if (isOn) timer = setTimeout(() => void round(), POLL_MS);
  }

  return {
    start() {
      if (isOn) return;
      isOn = true;
      void round();
    },
    stop() {
      isOn = false;
      clearTimeout(timer);
      seen.clear();
      for (const cut of following.values()) cut.abort();
    },
    follow,
    look(conversationId) {
      for (const one of subscriptions()) {
        if (isOn && one.conversationId === conversationId) look(one).catch(() => {});
      }
    },
  };
}
