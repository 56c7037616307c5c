import type { Message, Turn, TurnEvent } from "@parley-chat/sdk";
import { expect, test } from "vitest";
import { createScreen } from "./screen.ts";

const of = { conversation_id: "c", turn_id: "t" };
const turn = {} as Turn;
const message = {} as Message;
const started: TurnEvent = { type: "turn.started", ...of, turn, message, reply: message };
const start = (epoch: number): TurnEvent => ({
  type: "reply.start",
  ...of,
  epoch,
  message_id: "m",
  character_id: "c",
});
const delta = (epoch: number, offset: number, text: string): TurnEvent => ({
  type: "reply.delta",
  ...of,
  epoch,
  offset,
  text,
  cursor: `${epoch}.${offset + text.length}`,
});
const reset = (epoch: number): TurnEvent => ({
  type: "reply.reset",
  ...of,
  epoch,
  reason: "restarted",
  cursor: `${epoch}.0`,
});
const end = (epoch: number, content: string, status: Message["status"] = "complete"): TurnEvent => ({
  type: "reply.end",
  ...of,
  epoch,
  message: { ...message, content, status },
  usage: { prompt_tokens: 0, completion_tokens: 0, total_tokens: 0, estimated: true },
  finish_reason: "stop",
  cursor: `${epoch}.${content.length}`,
});
const completed: TurnEvent = { type: "turn.completed", ...of, turn };

const show = (events: TurnEvent[]) => {
  const screen = createScreen();
  screen.connect(null);
  for (const event of events) screen.apply(event);
  return screen;
};

test("a stream to the letter, over a restart, raises no alarm", () => {
  const screen = show([started, start(1), delta(1, 0, "ab")]);
  screen.connect(screen.cursor);
  for (const event of [
    started,
    reset(2),
    start(2),
    delta(2, 0, "x"),
    delta(2, 1, "y"),
    end(2, "xy"),
    completed,
  ])
    screen.apply(event);
  expect(screen.violations).toEqual([]);
  expect([screen.text, screen.resets, screen.end]).toEqual(["xy", 1, completed]);
});

const bad: [what: string, events: TurnEvent[]][] = [
  ["does not begin with turn.started", [start(1)]],
  ["leaves a gap", [started, start(1), delta(1, 1, "b")]],
  ["repeats text", [started, start(1), delta(1, 0, "a"), delta(1, 0, "a")]],
  ["goes on in another epoch", [started, start(1), delta(1, 0, "a"), delta(2, 1, "b")]],
  ["resets to the same epoch", [started, start(2), delta(2, 0, "a"), reset(2)]],
  ["begins again without a reset", [started, start(1), delta(1, 0, "a"), start(2), delta(2, 0, "b")]],
  ["cuts a surrogate pair", [started, start(1), delta(1, 0, "\ud83d")]],
  ["ends with another text", [started, start(1), delta(1, 0, "a"), end(1, "b"), completed]],
  ["completes without its reply", [started, start(1), delta(1, 0, "a"), completed]],
  [
    "completes with a part of it",
    [started, start(1), delta(1, 0, "a"), end(1, "a", "incomplete"), completed],
  ],
  ["goes on after its end", [started, start(1), delta(1, 0, "a"), end(1, "a"), completed, delta(1, 1, "b")]],
];

test.each(bad)("a stream that %s is found out", (_what, events) => {
  expect(show(events).violations).not.toEqual([]);
});
