import { closingEvents, type MessageFrame, type TurnEvent } from "../contract/index.ts";
import { createTurnFilter, type TurnFilter } from "./turn-filter.ts";

/**
 * What a subscriber hears. `resumed` comes whenever the subscription has become live, at first and after
 * each break: what happened before it is in the list, so read that now.
 */
export type ConversationEvent = TurnEvent | MessageFrame | { type: "resumed" };
export type ConversationListener = (event: ConversationEvent) => void;

interface Listener {
  tell: ConversationListener;
  filter: TurnFilter;
  after: string | undefined;
}

/** Everyone here who listens to one conversation; the server has one subscription for them all. */
export interface Subscription {
  readonly conversationId: string;
  add(tell: ConversationListener, after: string | undefined): () => number;
  /** A turn's event from whatever connection; false where something is missing before it. */
  takeTurn(event: TurnEvent): boolean;
  takeMessage(frame: MessageFrame): void;
  resumed(): void;
  /** The cursor from which all of them can go on, if there is one. */
  cursor(): string | undefined;
  /** Turns under way that `cursor` does not speak of. */
  otherTurns(): string[];
}

export function createSubscription(conversationId: string): Subscription {
  const listeners = new Set<Listener>();

  const positions = () =>
    [...listeners].map(({ filter, after }) => {
      const at = filter.cursor();
      return at ?? (after === undefined ? null : { turnId: "", cursor: after });
    });
  const common = () => {
    const [first, ...others] = positions();
    return first && others.every((other) => other?.cursor === first.cursor) ? first : null;
  };

  return {
    conversationId,
    add(tell, after) {
      const filter = createTurnFilter({ isResuming: after !== undefined });
      const listener: Listener = { tell, filter, after };
      listeners.add(listener);
      return () => {
        listeners.delete(listener);
        return listeners.size;
      };
    },
    takeTurn(event) {
      let isWhole = true;
      for (const listener of [...listeners]) {
        const passed = listener.filter.pass(event);
        if (passed === "gap") {
          isWhole = false;
          continue;
        }
        if (listener.filter.cursor() !== null || closingEvents.has(event.type)) listener.after = undefined;
        for (const one of passed) listener.tell(one);
      }
      return isWhole;
    },
    takeMessage(frame) {
      for (const { tell } of [...listeners]) tell(frame);
    },
    resumed() {
      for (const { tell } of [...listeners]) tell({ type: "resumed" });
    },
    cursor: () => common()?.cursor,
    otherTurns() {
      const covered = common()?.turnId;
      const open = new Set([...listeners].flatMap(({ filter }) => filter.openTurns()));
      return [...open].filter((turnId) => turnId !== covered);
    },
  };
}
