import { Problem, type ProblemCode, type Realtime } from "@parley-chat/sdk";
import { expect, test } from "vitest";
import { createLive } from "./live.ts";

function setUp() {
  let onState: Parameters<Realtime["onState"]>[0] = () => {};
  let onFrame: Parameters<Realtime["on"]>[0] = () => {};
  const realtime = {
    state: "connecting",
    onState: (listener: typeof onState) => {
      onState = listener;
    },
    on: (listener: typeof onFrame) => {
      onFrame = listener;
    },
    subscribe: () => () => {},
  } as unknown as Realtime;
  const live = createLive({
    realtime,
    conversations: { load: async () => {}, heard() {}, gone() {} },
  });
  const refuse = (code: ProblemCode, detail?: string) =>
    onFrame({ type: "error", problem: new Problem(code, detail).toDocument("r") });
  return { live, refuse, enter: (state: Realtime["state"]) => onState(state) };
}

test("a conversation that the server refuses to tell of is said, until another is looked at", () => {
  const { live, refuse } = setUp();
  const stop = live.follow("c", () => {});
  refuse("not_found", "There is no such conversation.");
  expect(live.trouble.get()?.text).toBe("There is no such conversation.");
  stop();
  expect(live.trouble.get()).toBeNull();
});

test("what will pass is not said, and a new connection begins without what was", () => {
  const { live, refuse, enter } = setUp();
  refuse("overloaded");
  expect(live.trouble.get()).toBeNull();
  refuse("forbidden");
  expect(live.trouble.get()).not.toBeNull();
  enter("open");
  expect(live.trouble.get()).toBeNull();
});
