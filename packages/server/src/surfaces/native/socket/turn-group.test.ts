import type { Message, Turn, TurnEvent } from "@parley-chat/sdk/contract";
import { expect, test } from "vitest";
import { createTurnLog, type ForkingReader } from "../../../modules/turns/turn-log.ts";
import { openTurnGroup } from "./turn-group.ts";

const reply = (content: string) => ({ id: "r", content, token_count: 1, character_id: "c" }) as Message;
const begin = {
  turn: {} as Turn,
  message: {} as Message,
  reply: reply(""),
  epoch: 1,
  reason: "restarted" as const,
};
const end = (content: string) => ({ ...begin, turn: { status: "completed" } as Turn, reply: reply(content) });

/** Hears a turn, in its group and by itself. */
function newHearer() {
  const texts: string[] = [];
  const frames: Buffer[] = [];
  const own: ForkingReader[] = [];
  return {
    frames,
    own,
    peer: {
      write(frame: Buffer) {
        frames.push(frame);
        texts.push(frame.toString("utf8", (frame[1] as number) < 126 ? 2 : 4));
      },
    },
    follow: (_: string, reader: ForkingReader) => void own.push(reader),
    events: () => texts.map((text) => JSON.parse(text) as TurnEvent),
    readOn() {
      for (const reader of own) {
        for (let frame = reader.next(); frame; frame = reader.next()) texts.push(JSON.stringify(frame.event));
      }
    },
  };
}

const textOf = (events: TurnEvent[]) =>
  events.map((event) => (event.type === "reply.delta" ? event.text : "")).join("");
const types = (events: TurnEvent[]) => events.map(({ type }) => type);

function setUp(count: number) {
  const log = createTurnLog({ id: "01900000-0000-7000-8000-000000000001", conversationId: "v" });
  const hearers = Array.from({ length: count }, newHearer);
  let overs = 0;
  const group = openTurnGroup(log, hearers, () => overs++);
  log.begin(begin);
  group.begin();
  return { log, hearers, group, overs: () => overs };
}

test("one frame is written to all, and all hear the turn to its end", () => {
  const { log, hearers, overs } = setUp(3);
  log.append("one ");
  log.append("two");
  expect(overs()).toBe(0);
  log.end(end("one two"));
  for (const { events, frames } of hearers) {
    expect(textOf(events())).toBe("one two");
    expect(frames.every((frame, n) => frame === hearers[0]?.frames[n])).toBe(true);
    expect(types(events()).at(-1)).toBe("turn.completed");
  }
  expect(overs()).toBe(1);
});

test("one who falls behind goes on by itself from where all were, the others with the group", () => {
  const { log, hearers, group, overs } = setUp(2);
  const [fast, slow] = hearers as [ReturnType<typeof newHearer>, ReturnType<typeof newHearer>];
  log.append("one ");
  group.fallBehind(slow);
  log.append("two");
  log.end(end("one two"));
  expect(textOf(slow.events())).toBe("one ");
  slow.readOn();
  expect(slow.events()).toEqual(fast.events());
  expect(overs()).toBe(1);
});

test("the last to leave ends the group; who left hears nothing more", () => {
  const { log, hearers, group, overs } = setUp(2);
  for (const hearer of hearers) group.leave(hearer);
  expect(overs()).toBe(1);
  log.append("unheard");
  log.end(end("unheard"));
  for (const { events } of hearers) expect(types(events())).toEqual(["turn.started", "reply.start"]);
});

test("a log that breaks off is read on: what comes after is heard, once", () => {
  const { log, hearers, overs } = setUp(1);
  log.append("one ");
  log.breakOff();
  log.append("two");
  log.end(end("one two"));
  const events = hearers[0]?.events() ?? [];
  expect(types(events)).toEqual([
    "turn.started",
    "reply.start",
    "reply.delta",
    "reply.delta",
    "reply.end",
    "turn.completed",
  ]);
  expect(overs()).toBe(1);
});
