import fc from "fast-check";
import { expect, test } from "vitest";
import type { Message, Turn, TurnEvent } from "../contract/index.ts";
import { createTurnFilter, type TurnFilter } from "./turn-filter.ts";

const of = { conversation_id: "c", turn_id: "t" };
const started: TurnEvent = {
  type: "turn.started",
  ...of,
  turn: {} as Turn,
  message: {} as Message,
  reply: {} as Message,
};
const start = (epoch: number): TurnEvent => ({
  type: "reply.start",
  ...of,
  epoch,
  message_id: "r",
  character_id: "a",
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
const end = (epoch: number, content: string): TurnEvent => ({
  type: "reply.end",
  ...of,
  epoch,
  message: { content } as Message,
  usage: {} as never,
  finish_reason: "stop",
  cursor: `${epoch}.${content.length}`,
});
const completed: TurnEvent = { type: "turn.completed", ...of, turn: {} as Turn };

const passAll = (filter: TurnFilter, events: TurnEvent[]) =>
  events.flatMap((event): readonly (TurnEvent | "gap")[] => {
    const passed = filter.pass(event);
    return passed === "gap" ? [passed] : passed;
  });
const types = (events: (TurnEvent | "gap")[]) =>
  events.map((event) => (event === "gap" ? event : event.type));

test("over connections that break anywhere and begin again anywhere before, deltas tile the reply and nothing comes twice", () => {
  const cut = fc.record({
    from: fc.nat(),
    pieces: fc.array(fc.integer({ min: 1, max: 9 }), { maxLength: 6 }),
  });
  fc.assert(
    fc.property(fc.string({ minLength: 1, maxLength: 60 }), fc.array(cut, { maxLength: 8 }), (text, cuts) => {
      const filter = createTurnFilter();
      const passed: (TurnEvent | "gap")[] = [];
      const connect = (from: number, lengths: number[]) => {
        const events = [started, start(3)];
        let at = from;
        for (const length of lengths) {
          if (at >= text.length) break;
          events.push(delta(3, at, text.slice(at, at + length)));
          at += length;
        }
        passed.push(...passAll(filter, events));
      };
      const shown = () =>
        passed.flatMap((event) => (event !== "gap" && event.type === "reply.delta" ? [event.text] : []));
      for (const { from, pieces } of cuts) connect(from % (shown().join("").length + 1), pieces);
      connect(shown().join("").length, [text.length]);
      passed.push(...passAll(filter, [end(3, text), completed, completed]));
      expect(shown().join("")).toBe(text);
      let at = 0;
      for (const event of passed) {
        if (event === "gap" || event.type !== "reply.delta") continue;
        expect(event.offset).toBe(at);
        at += event.text.length;
      }
      expect(types(passed).filter((type) => type !== "reply.delta")).toEqual([
        "turn.started",
        "reply.start",
        "reply.end",
        "turn.completed",
      ]);
    }),
  );
});

test("what would leave a hole is a gap, and leaves the position where it was", () => {
  const filter = createTurnFilter();
  passAll(filter, [started, start(1), delta(1, 0, "abc")]);
  expect(filter.pass(delta(1, 5, "f"))).toBe("gap");
  expect(filter.pass(end(1, "abcdef"))).toBe("gap");
  expect(filter.cursor()).toEqual({ turnId: "t", cursor: "1.3" });
  expect(filter.pass(delta(1, 3, "def"))).toMatchObject([{ offset: 3, text: "def" }]);
});

test("a reset begins again under its epoch; what comes late of an older one is dropped", () => {
  const filter = createTurnFilter();
  const events = [
    started,
    start(1),
    delta(1, 0, "abc"),
    reset(4),
    delta(1, 3, "d"),
    start(4),
    delta(4, 0, "x"),
  ];
  expect(types(passAll(filter, events))).toEqual([
    "turn.started",
    "reply.start",
    "reply.delta",
    "reply.reset",
    "reply.start",
    "reply.delta",
  ]);
  expect(filter.cursor()).toEqual({ turnId: "t", cursor: "4.1" });
});

test("another attempt on a connection that began from nothing is told as a reset: who listens saw no break", () => {
  for (const before of [[], [delta(1, 0, "abc")]]) {
    const filter = createTurnFilter();
    passAll(filter, [started, start(1), ...before]);
    const passed = passAll(filter, [started, start(2), delta(2, 0, "x"), end(2, "x")]);
    expect(types(passed)).toEqual(["reply.reset", "reply.start", "reply.delta", "reply.end"]);
  }
});

test("who resumes from a cursor has the text before it, and nothing else", () => {
  const filter = createTurnFilter({ isResuming: true });
  const passed = passAll(filter, [
    started,
    start(2),
    delta(2, 7, "hij"),
    delta(2, 7, "hij"),
    end(2, "abcdefghij"),
  ]);
  expect(types(passed)).toEqual(["turn.started", "reply.start", "reply.delta", "reply.end"]);
  expect(types(passAll(createTurnFilter({ isResuming: true }), [started, reset(3), start(3)]))).toEqual([
    "turn.started",
    "reply.reset",
    "reply.start",
  ]);
});

test("a turn that has ended has no cursor, and another keeps its own", () => {
  const filter = createTurnFilter();
  passAll(filter, [started, start(1), delta(1, 0, "abc")]);
  const other = { ...started, turn_id: "u" } as TurnEvent;
  passAll(filter, [other]);
  expect(filter.openTurns()).toEqual(["t", "u"]);
  expect(filter.cursor()?.turnId).toBe("t");
  filter.pass(completed);
  expect(filter.cursor()).toBeNull();
  expect(filter.openTurns()).toEqual(["u"]);
});

test("of many turns that have ended only the last few are remembered", () => {
  const filter = createTurnFilter();
  for (let n = 0; n < 1_000; n++) {
    passAll(filter, [
      { ...started, turn_id: `${n}` } as TurnEvent,
      { ...completed, turn_id: `${n}` } as TurnEvent,
    ]);
  }
  expect(filter.pass({ ...started, turn_id: "999" } as TurnEvent)).toEqual([]);
  expect(filter.pass({ ...started, turn_id: "0" } as TurnEvent)).toHaveLength(1);
});
