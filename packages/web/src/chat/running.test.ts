import type { TurnEvent } from "@parley-chat/sdk";
import { expect, test } from "vitest";
import { afterEvent, type RunningReplies, runningReply } from "./running.ts";

const of = { conversation_id: "c", turn_id: "t" };
const start = (epoch: number) =>
  ({ type: "reply.start", ...of, epoch, message_id: "r", character_id: "x" }) as TurnEvent;
const delta = (epoch: number, offset: number, text: string) =>
  ({ type: "reply.delta", ...of, epoch, offset, text, cursor: `${offset}` }) as TurnEvent;
const reset = (epoch: number) =>
  ({ type: "reply.reset", ...of, epoch, reason: "restarted", cursor: "" }) as TurnEvent;
const textAfter = (...events: TurnEvent[]) =>
  runningReply(events.reduce(afterEvent, {} as RunningReplies), "r")?.text;

test("deltas make the text, and one that comes twice does no harm", () => {
  expect(textAfter(start(1), delta(1, 0, "one "), delta(1, 4, "two"))).toBe("one two");
  expect(textAfter(start(1), delta(1, 0, "one "), delta(1, 0, "one "), delta(1, 4, "two"))).toBe("one two");
});

test("a connection that begins again shows nothing twice", () => {
  expect(textAfter(start(1), delta(1, 0, "one"), start(1), delta(1, 0, "one two"))).toBe("one two");
});

test("another attempt begins anew, and what is left of the old one is not heard", () => {
  expect(
    textAfter(start(1), delta(1, 0, "lost"), reset(2), start(2), delta(1, 4, "!"), delta(2, 0, "kept")),
  ).toBe("kept");
  expect(textAfter(start(1), delta(1, 0, "lost"), start(3), delta(3, 0, "kept"))).toBe("kept");
});

test("a turn that has ended is not running any more, others are", () => {
  const both = [start(1), { ...start(1), turn_id: "u", message_id: "s" } as TurnEvent].reduce(afterEvent, {});
  const left = afterEvent(both, { type: "turn.completed", ...of, turn: {} } as unknown as TurnEvent);
  expect(runningReply(left, "r")).toBeUndefined();
  expect(runningReply(left, "s")).toBeDefined();
});
