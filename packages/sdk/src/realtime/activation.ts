import { Problem } from "../contract/index.ts";
import { retryInMs } from "./passing.ts";
import type { Subscription } from "./subscriptions.ts";

export interface ActivationUses {
  /** Asks over the present socket; rejects with a `Problem` where it is refused. */
  request(frame: object): Promise<unknown>;
  isListened(subscription: Subscription): boolean;
  /** Reads a turn to its end by its own stream. */
  follow(subscription: Subscription, turnId: string): void;
  /** For good: the conversation is gone, say. */
  onRefused(conversationId: string, problem: Problem): void;
}

/** Makes subscriptions live on the present socket. */
export interface Activation {
  activate(subscription: Subscription, options: { isAfterBreak: boolean }): Promise<void>;
  /** The socket is gone: the next one begins with all subscriptions anew. */
  forget(): void;
}

export function createActivation({ request, isListened, follow, onRefused }: ActivationUses): Activation {
  const retries = new Map<Subscription, ReturnType<typeof setTimeout>>();

  const activate: Activation["activate"] = async (subscription, { isAfterBreak }) => {
    clearTimeout(retries.get(subscription));
    retries.delete(subscription);
    if (!isListened(subscription)) return;
    const { conversationId } = subscription;
    const after = subscription.cursor();
    const others = isAfterBreak ? subscription.otherTurns() : [];
    try {
      await request({
        type: "conversation.subscribe",
        conversation_id: conversationId,
        ...(after !== undefined && { after }),
      });
    } catch (error) {
      if (!isListened(subscription) || !(error instanceof Problem)) return;
      const waitMs = retryInMs(error);
      if (waitMs === null) return onRefused(conversationId, error);
      clearTimeout(retries.get(subscription));
      const retry = () => void activate(subscription, { isAfterBreak });
      retries.set(subscription, setTimeout(retry, waitMs));
      return;
    }
    if (!isListened(subscription)) return;
    // What ended while nobody listened is not told again; its own stream still tells.
    for (const turnId of others) follow(subscription, turnId);
    subscription.resumed();
  };

  return {
    activate,
    forget() {
      for (const retry of retries.values()) clearTimeout(retry);
      retries.clear();
    },
  };
}
