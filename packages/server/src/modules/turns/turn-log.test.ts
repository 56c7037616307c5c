import type { Message, Turn, TurnEvent } from "@parley-chat/sdk/contract";
import fc from "fast-check";
import { expect, test } from "vitest";
import { cursorAt, cursorPrefix, parseCursor } from "./cursor.ts";
import { createTurnLog, storedTurnLog, type TurnReader } from "./turn-log.ts";

const turnId = "01900000-0000-7000-8000-000000000001";
const conversationId = "01900000-0000-7000-8000-000000000002";

const turn = (status: Turn["status"]): Turn => ({
  id: turnId,
  conversation_id: conversationId,
  message_id: "m",
  reply_id: "r",
  status,
  character_version: 1,
  created_at: "2026-01-01T00:00:00.000Z",
});
const message = (content: string, status: Message["status"] = "complete"): Message => ({
  id: "r",
  conversation_id: conversationId,
  seq: 2,
  parent_id: "m",
  role: "assistant",
  character_id: "c",
  content,
  status,
  token_count: 1,
  siblings: { index: 0, count: 1 },
  metadata: {},
  created_at: "2026-01-01T00:00:00.000Z",
});
const begin = (epoch: number) => ({
  turn: turn("running"),
  message: message("hi"),
  reply: message("", "pending"),
  epoch,
  reason: "restarted" as const,
});
const end = (epoch: number, content: string, status: Turn["status"] = "completed") => ({
  turn: turn(status),
  message: message("hi"),
  reply: message(content, content === "" ? "failed" : "complete"),
  epoch,
  reason: "restarted" as const,
});

function drain(reader: TurnReader): TurnEvent[] {
  const events: TurnEvent[] = [];
  for (let frame = reader.next(); frame; frame = reader.next()) events.push(frame.event);
  return events;
}

/** What a client shows: resets and new epochs drop the text, deltas must fit exactly. */
function show(events: TurnEvent[], text = "", epoch = 0) {
  for (const event of events) {
    if (event.type === "reply.reset") {
      text = "";
      epoch = event.epoch;
    } else if (event.type === "reply.start") {
      epoch = event.epoch;
    } else if (event.type === "reply.delta") {
      expect(event.epoch).toBe(epoch);
      expect(event.offset).toBe(text.length);
      text += event.text;
      expect(parseCursor(event.cursor)).toEqual({ turnId, epoch, offset: text.length });
    } else if (event.type === "reply.end") {
      expect(event.message.content).toBe(text);
    }
  }
  return { text, epoch };
}

const types = (events: TurnEvent[]) => events.map((event) => event.type);
const well = fc.string({ unit: "grapheme", minLength: 1, maxLength: 12 }).map((text) => text.toWellFormed());

test("a reader without a cursor gets start, every delta and the closing events in order", () => {
  const log = createTurnLog({ id: turnId, conversationId });
  const reader = log.read(null);
  expect(drain(reader)).toEqual([]);
  log.begin(begin(1));
  log.append("Hel");
  log.append("lo");
  log.end(end(1, "Hello"));
  const events = drain(reader);
  expect(types(events)).toEqual([
    "turn.started",
    "reply.start",
    "reply.delta",
    "reply.delta",
    "reply.end",
    "turn.completed",
  ]);
  expect(show(events).text).toBe("Hello");
  expect(reader.isDone()).toBe(true);
});

test("from every cursor, live or stored, the text goes on without gap or overlap", () => {
  fc.assert(
    fc.property(
      fc.array(well, { minLength: 1, maxLength: 12 }),
      fc.nat(),
      fc.boolean(),
      (pieces, at, isStored) => {
        const whole = pieces.join("");
        const log = createTurnLog({ id: turnId, conversationId });
        log.begin(begin(3));
        for (const piece of pieces) log.append(piece);
        log.end(end(3, whole));
        let offset = at % (whole.length + 1);
        const code = whole.charCodeAt(offset);
        if (offset > 0 && code >= 0xdc00 && code <= 0xdfff) offset--;
        const source = isStored ? storedTurnLog({ ...end(3, whole) }) : log;
        const events = drain(source.read({ turnId, epoch: 3, offset }));
        expect(show(events, whole.slice(0, offset), 3)).toEqual({ text: whole, epoch: 3 });
        expect(types(events)).not.toContain("reply.reset");
        expect(types(events).slice(-2)).toEqual(["reply.end", "turn.completed"]);
      },
    ),
  );
});

test("a live restart is announced by a reset under a higher epoch, and the old text is gone", () => {
  const log = createTurnLog({ id: turnId, conversationId });
  const reader = log.read(null);
  log.begin(begin(1));
  log.append("old ");
  const first = drain(reader);
  log.begin(begin(2));
  log.append("new");
  log.end(end(2, "new"));
  const second = drain(reader);
  expect(types(second).slice(0, 2)).toEqual(["reply.reset", "reply.start"]);
  expect(show([...first, ...second])).toEqual({ text: "new", epoch: 2 });
});

test("a cursor of an attempt that a kill took waits, and is then told by a reset", () => {
  const log = createTurnLog({ id: turnId, conversationId });
  const reader = log.read({ turnId, epoch: 1, offset: 4 });
  expect(drain(reader)).toEqual([]);
  log.begin(begin(2));
  const events = drain(reader);
  expect(types(events)).toEqual(["turn.started", "reply.reset", "reply.start"]);
  expect(events[1]).toMatchObject({
    epoch: 2,
    reason: "restarted",
    cursor: cursorAt(cursorPrefix(turnId, 2), 0),
  });
});

test("a turn that ends with nothing said tells an older cursor by a reset, and starts no reply", () => {
  const events = drain(storedTurnLog(end(2, "", "stopped")).read({ turnId, epoch: 1, offset: 7 }));
  expect(types(events)).toEqual(["turn.started", "reply.reset", "turn.stopped"]);
});

test("a cursor beyond the text, inside a pair or of another turn is unknown: reset and everything", () => {
  const stored = () => storedTurnLog(end(1, "a😀b"));
  const other = turnId.replace("1", "2");
  for (const from of [
    { turnId, epoch: 1, offset: 99 },
    { turnId, epoch: 1, offset: 2 },
    { turnId: other, epoch: 1, offset: 1 },
  ]) {
    const events = drain(stored().read(from));
    expect(events[1]).toMatchObject({ type: "reply.reset", reason: "unknown_cursor", epoch: 1 });
    expect(show(events).text).toBe("a😀b");
  }
});

test("an outcome that differs from what was streamed is adopted under a reset", () => {
  const log = createTurnLog({ id: turnId, conversationId });
  const reader = log.read(null);
  log.begin(begin(1));
  log.append("mine");
  const first = drain(reader);
  log.end({ ...end(2, "theirs"), reason: "adopted" });
  const events = drain(reader);
  expect(events[0]).toMatchObject({ type: "reply.reset", reason: "adopted", epoch: 2 });
  expect(show([...first, ...events]).text).toBe("theirs");
});

test("a long stored reply is cut into deltas of at most 64 KiB, never inside a pair", () => {
  const long = "😀".repeat(40_000);
  const events = drain(storedTurnLog(end(1, long)).read(null));
  const deltas = events.filter((event) => event.type === "reply.delta");
  expect(deltas.length).toBeGreaterThan(1);
  for (const delta of deltas) {
    expect(delta.text.isWellFormed()).toBe(true);
    expect(Buffer.byteLength(delta.text)).toBeLessThanOrEqual(65_536);
  }
  expect(show(events).text).toBe(long);
});

test("text that comes after the end changes nothing", () => {
  const log = createTurnLog({ id: turnId, conversationId });
  log.begin(begin(1));
  log.append("done");
  log.end(end(1, "done"));
  log.append(" more");
  expect(show(drain(log.read(null))).text).toBe("done");
});

test("a malformed cursor reads as none", () => {
  for (const text of ["", "x", "t123.1.1", `t${turnId}.1.1`, "t".repeat(500)])
    expect(parseCursor(text)).toBeNull();
});
