import type { ConversationEvent, Realtime } from "@parley-chat/sdk";
import { createScreen } from "../faults/screen.ts";

/** What a subscriber of the SDK is told, with a screen that holds the events of each turn to the promises. */
export function listen(realtime: Realtime, conversationId: string, options?: { after?: string }) {
  const events: ConversationEvent[] = [];
  const screens = new Map<string, ReturnType<typeof createScreen>>();
  const stop = realtime.subscribe(
    conversationId,
    (event) => {
      events.push(event);
      if (!("turn_id" in event)) return;
      let screen = screens.get(event.turn_id);
      if (!screen) {
        screen = createScreen();
        screen.connect(null);
        screens.set(event.turn_id, screen);
      }
      screen.apply(event);
    },
    options,
  );
  return {
    events,
    stop,
    screen: (turnId: string) => screens.get(turnId) ?? createScreen(),
    violations: () => [...screens.values()].flatMap(({ violations }) => violations),
    count: (type: ConversationEvent["type"]) => events.filter((event) => event.type === type).length,
  };
}
