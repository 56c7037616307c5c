import type { PubSub } from "./pubsub.ts";

type Listener = (payload: unknown) => void;
interface Subscription {
  listener: Listener;
  isOver: boolean;
}

/**
 * The embedded news channel: calls in this process. Payloads go by reference, without a copy, because
 * the deltas of replies pass here; neither side changes one. `onError` hears of listeners that throw.
 */
export function createMemoryPubSub({ onError }: { onError?: (error: unknown) => void } = {}): PubSub {
  // A list is replaced, never changed, so a publish goes through it undisturbed.
  const channels = new Map<string, readonly Subscription[]>();

  function end(channel: string, subscription: Subscription) {
    subscription.isOver = true;
    const left = channels.get(channel)?.filter((other) => other !== subscription) ?? [];
    if (left.length > 0) channels.set(channel, left);
    else channels.delete(channel);
  }

  function deliver(subscription: Subscription, payload: unknown) {
    if (subscription.isOver) return;
    try {
      subscription.listener(payload);
    } catch (error) {
      onError?.(error);
    }
  }

  return {
    name: "memory",
    publish(channel, payload) {
      const subscriptions = channels.get(channel);
      if (subscriptions === undefined) return;
      for (const subscription of subscriptions) deliver(subscription, payload);
    },
    subscribe(channel, listener) {
      const subscription = { listener, isOver: false };
      channels.set(channel, [...(channels.get(channel) ?? []), subscription]);
      return () => end(channel, subscription);
    },
    async close() {
      for (const subscriptions of channels.values()) {
        for (const subscription of subscriptions) subscription.isOver = true;
      }
      channels.clear();
    },
  };
}
