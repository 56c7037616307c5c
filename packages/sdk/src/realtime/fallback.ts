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
  /** Somebody new listens, who has heard nothing of what is followed already. */
  joined(subscription: Subscription): void;
  /** Nobody listens any more. */
  left(subscription: Subscription): void;
}

export function createFallback({ client, subscriptions, onConversation, onRound }: FallbackUses): Fallback {
  const seen = new Map<string, string>();
  const following = new Map<Subscription, Map<string, AbortController>>();
  let timer: ReturnType<typeof setTimeout> | undefined;
  /** The run between a start and its stop; what began in another and ends now is nobody's. */
  let run: symbol | null = null;

  const isListened = (subscription: Subscription) => [...subscriptions()].includes(subscription);

  function follow(subscription: Subscription, turnId: string, isAgain = false): void {
    const turns = following.get(subscription) ?? new Map<string, AbortController>();
    if (turns.has(turnId)) return;
    following.set(subscription, turns);
    const cut = new AbortController();
    turns.set(turnId, cut);
    const forget = () => {
      cut.abort();
      if (turns.get(turnId) === cut) turns.delete(turnId);
      if (turns.size === 0 && following.get(subscription) === turns) following.delete(subscription);
    };
    const read = async () => {
      for await (const event of client.events(turnId, { signal: cut.signal })) {
        if (cut.signal.aborted) return;
        if (subscription.takeTurn(event)) continue;
        forget();
        // From the start there is no gap; were there one all the same, the next round would try again.
        if (!isAgain) follow(subscription, turnId, true);
        return;
      }
    };
    // The next round finds a turn again that broke off, or the list tells how it ended.
    read()
      .catch(() => {})
      .finally(forget);
  }

  function abandon(subscription: Subscription): string[] {
    const turns = following.get(subscription);
    following.delete(subscription);
    for (const cut of turns?.values() ?? []) cut.abort();
    return [...(turns?.keys() ?? [])];
  }

  async function look(subscription: Subscription): Promise<void> {
    const { conversationId } = subscription;
    const lookedIn = run;
    const conversation = await client.conversations.get({ conversation_id: conversationId });
    if (run === null || run !== lookedIn || !isListened(subscription)) return;
    if (conversation.active_turn_id !== null) follow(subscription, conversation.active_turn_id);
    const now = JSON.stringify(conversation);
    if (seen.get(conversationId) === now) return;
    seen.set(conversationId, now);
    onConversation(conversation);
    subscription.resumed();
  }

  async function round(of: symbol): Promise<void> {
    if (run !== of) return;
    onRound();
    await Promise.allSettled([...subscriptions()].map(look));
    if (run === of) timer = setTimeout(() => void round(of), POLL_MS);
  }

  function lookAt(conversationId: string): void {
    for (const one of subscriptions()) {
      if (run !== null && one.conversationId === conversationId) look(one).catch(() => {});
    }
  }

  return {
    start() {
      if (run !== null) return;
      run = Symbol("run");
      void round(run);
    },
    stop() {
      run = null;
      clearTimeout(timer);
      seen.clear();
      for (const subscription of [...following.keys()]) abandon(subscription);
    },
    follow: (subscription, turnId) => follow(subscription, turnId),
    look: lookAt,
    joined(subscription) {
      // Whoever knows the begin of a turn hears it no second time.
      for (const turnId of abandon(subscription)) follow(subscription, turnId);
      seen.delete(subscription.conversationId);
      lookAt(subscription.conversationId);
    },
    left(subscription) {
      abandon(subscription);
      seen.delete(subscription.conversationId);
    },
  };
}
