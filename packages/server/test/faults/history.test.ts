import type { Message, Turn } from "@parley-chat/sdk";
import { expect, test } from "vitest";
import { checkHistory } from "./check-history.ts";
import { emptyHistory, type History, type Violation } from "./history.ts";

const CONVERSATION = "c1";
const at = "2026-01-01T00:00:00.000Z";

const message = (seq: number, fields: Partial<Message>): Message => ({
  id: `m${seq}`,
  conversation_id: CONVERSATION,
  seq,
  parent_id: seq === 1 ? null : `m${seq - 1}`,
  role: "user",
  content: "",
  status: "complete",
  token_count: 1,
  siblings: { index: 0, count: 1 },
  metadata: {},
  created_at: at,
  ...fields,
});

const turn = (id: string, status: Turn["status"] = "completed"): Turn => ({
  id,
  conversation_id: CONVERSATION,
  message_id: "m",
  reply_id: "r",
  status,
  character_version: 1,
  created_at: at,
  ended_at: at,
});

/** Two sends one after the other, each with its reply; the first was retried. All promises hold. */
function goodHistory(): History {
  const send = (n: number, invokedAt: number, settledAt: number, isKnown = true) => ({
    conversationId: CONVERSATION,
    clientMessageId: `x${n}`,
    content: `say ${n}`,
    invokedAt,
    settledAt,
    ok: isKnown
      ? { messageId: `m${2 * n - 1}`, replyId: `m${2 * n}`, turnId: `t${n}`, seq: 2 * n - 1 }
      : null,
  });
  const pair = (n: number) => [
    message(2 * n - 1, { content: `say ${n}`, client_message_id: `x${n}`, turn_id: `t${n}` }),
    message(2 * n, { role: "assistant", content: `answer ${n}`, turn_id: `t${n}` }),
  ];
  return {
    ...emptyHistory(3),
    sends: [send(1, 0, 5, false), send(1, 6, 10), send(2, 20, 30)],
    reads: [
      { client: "a", conversationId: CONVERSATION, invokedAt: 12, settledAt: 14, messages: pair(1) },
      {
        client: "b",
        conversationId: CONVERSATION,
        invokedAt: 40,
        settledAt: 44,
        messages: [...pair(1), ...pair(2)],
      },
    ],
    streams: [{ turnId: "t1", violations: [], end: "turn.completed", text: "answer 1" }],
    wall: [
      { clientMessageId: "x1", text: "ans", isFinished: false },
      { clientMessageId: "x1", text: "answer 1", isFinished: true },
      { clientMessageId: "x2", text: "answer 2", isFinished: true },
    ],
    final: { [CONVERSATION]: { messages: [...pair(1), ...pair(2)], turns: [turn("t1"), turn("t2")] } },
  };
}

test("a history in which every promise held raises no alarm", () => {
  expect(checkHistory(goodHistory())).toEqual([]);
});

/** Parts of a history, to be spoiled. */
const end = (history: History) => history.final[CONVERSATION] as { messages: Message[]; turns: Turn[] };
const stored = (history: History, seq: number) => end(history).messages[seq - 1] as Message;
const read = (history: History, n: number) => history.reads[n]?.messages as Message[];
const set = Object.assign;

test("a turn that was asked for before three kills, and heard of after them, may give up", () => {
  const history = goodHistory();
  set(history, { reads: [], streams: [], kills: [1, 3, 5] });
  set(stored(history, 2), { status: "failed", content: "" });
  set(end(history).turns[0] as Turn, gaveUp);
  expect(checkHistory(history)).toEqual([]);
  history.kills = [-3, -2, -1];
  expect(checkHistory(history).map((violation) => violation.promise)).toEqual(["I3"]);
});

const otherAnswer = { messageId: "m7", replyId: "m8", turnId: "t1", seq: 1 };
const wholeStream = { turnId: "t1", violations: [], end: "turn.completed", text: "answer 1" };
const early = { content: "say 2", invokedAt: -9, settledAt: -5 };
const openCall = { clientMessageId: "x1", text: "", isFinished: false };

const bad: [what: string, promise: Violation["promise"], spoil: (history: History) => unknown][] = [
  ["an acknowledged message is lost", "I1", (h) => end(h).messages.splice(2)],
  ["an acknowledged message holds another text", "I1", (h) => set(stored(h, 1), { content: "say 9" })],
  ["an acknowledged turn is lost", "I1", (h) => end(h).turns.pop()],
  ["a retry made a second message", "I2", (h) => set(stored(h, 3), { client_message_id: "x1" })],
  ["two answers to one client id differ", "I2", (h) => set(h.sends[0] as object, { ok: otherAnswer })],
  [
    "a turn has two replies",
    "I3",
    (h) => end(h).messages.push(message(5, { role: "assistant", turn_id: "t2", content: "answer 2" })),
  ],
  ["a completed turn has an incomplete reply", "I3", (h) => set(stored(h, 2), { status: "incomplete" })],
  ["a reply has no turn", "I3", (h) => set(stored(h, 2), { turn_id: "t9" })],
  ["streams saw another outcome", "I3", (h) => h.streams.push({ ...wholeStream, end: "turn.failed" })],
  ["a turn never ended", "I4", (h) => end(h).turns.splice(1, 1, turn("t2", "running"))],
  ["a place is missing", "I5", (h) => end(h).messages.splice(1, 1)],
  ["a parent lies above its child", "I5", (h) => set(stored(h, 2), { parent_id: "m3" })],
  [
    "a later send came before an earlier one",
    "I5",
    (h) => h.sends.push({ ...(h.sends[2] as History["sends"][0]), ...early }),
  ],
  ["a read misses what was acknowledged", "I5", (h) => read(h, 1).splice(2)],
  [
    "a read went back behind an earlier one",
    "I5",
    (h) => read(h, 1).splice(1, 1, message(2, { role: "assistant", status: "pending" })),
  ],
  ["a read saw another order", "I5", (h) => set(read(h, 0), { 0: message(1, { id: "m3" }) })],
  ["a settled reply changed", "I15", (h) => set(read(h, 0), { 1: message(2, { content: "answer 0" }) })],
  ["a stream had a gap", "I6", (h) => h.streams.push({ ...wholeStream, end: null, violations: ["gap"] })],
  ["a stream ended with another text", "I6", (h) => h.streams.push({ ...wholeStream, text: "answer" })],
  ["a truncated reply is called complete", "I8", (h) => set(stored(h, 2), { content: "ans" })],
  ["an unfinished answer is called complete", "I8", (h) => set(h.wall[2] as object, { isFinished: false })],
  [
    "a reply is stitched from two answers",
    "I8",
    (h) => set(stored(h, 2), { status: "incomplete", content: "ansanswer" }),
  ],
  [
    "a reply without text is called incomplete",
    "I8",
    (h) => set(stored(h, 2), { status: "incomplete", content: "" }),
  ],
  ["the model was asked a fourth time", "I12", (h) => h.wall.push(openCall, openCall)],
];

test.each(bad)("a history in which %s breaks %s", (_what, promise, spoil) => {
  const history = goodHistory();
  spoil(history);
  expect(checkHistory(history).map((violation) => violation.promise)).toContain(promise);
});

/** The same, and then: a regeneration, a stopped turn, a note, a deleted message, a deleted conversation, an import. */
function busyHistory(): History {
  const history = goodHistory();
  const { messages, turns } = end(history);
  set(messages[1] as Message, { siblings: { index: 0, count: 2 } });
  set(messages[3] as Message, { content: "", deleted_at: at });
  messages.push(
    message(5, {
      role: "assistant",
      content: "other 1",
      turn_id: "t3",
      parent_id: "m1",
      siblings: { index: 1, count: 2 },
    }),
    message(6, { content: "say 3", client_message_id: "x3", turn_id: "t4" }),
    message(7, { role: "assistant", content: "ans", turn_id: "t4", status: "incomplete" }),
    message(8, { content: "note 4", client_message_id: "x4" }),
  );
  turns.push(turn("t3"), turn("t4", "stopped"));
  history.final.c2 = null;
  const call = (invokedAt: number) => ({ invokedAt, settledAt: invokedAt + 5 });
  const ids = (n: number) => ({ conversationId: CONVERSATION, clientMessageId: `x${n}` });
  history.regenerations.push({
    conversationId: CONVERSATION,
    messageId: "m2",
    key: "g1",
    ...call(50),
    ok: { replyId: "m5", turnId: "t3", seq: 5 },
  });
  history.sends.push(
    {
      ...ids(3),
      content: "say 3",
      ...call(60),
      ok: { messageId: "m6", replyId: "m7", turnId: "t4", seq: 6 },
    },
    {
      ...ids(4),
      content: "note 4",
      ...call(70),
      ok: { messageId: "m8", replyId: null, turnId: null, seq: 8 },
    },
    {
      conversationId: "c2",
      clientMessageId: "x9",
      content: "Gone",
      ...call(70),
      ok: { messageId: "g1", replyId: "g2", turnId: "g3", seq: 1 },
    },
  );
  history.removals.push(
    { conversationId: CONVERSATION, messageId: "m4", ...call(80), ok: true },
    { conversationId: "c2", messageId: null, ...call(80), ok: true },
  );
  history.reads.push({ client: "a", conversationId: "c2", ...call(90), messages: null });
  history.stops.push({ turnId: "t4", ...call(62), ok: { status: "stopped", isEnded: true }, storedBy: null });
  history.wall.push(
    { clientMessageId: "x1", text: "other 1", isFinished: true },
    { clientMessageId: "x3", text: "answer 3", isFinished: false },
  );
  history.imports.push({ name: "Card 1", ...call(90), ok: { characterId: "k1" } });
  history.pictures = { names: ["Card 1"], shown: ["Card 1"], dangling: 0 };
  return history;
}

test("a busy history in which every promise held raises no alarm", () => {
  expect(checkHistory(busyHistory())).toEqual([]);
});

test("a stream that came after its reply was deleted raises none, also once the conversation is gone", () => {
  const history = busyHistory();
  const late = { violations: ["completed without reply.end"], end: "turn.completed", text: "" };
  history.streams.push({ turnId: "t2", ...late }, { turnId: "g3", ...late });
  expect(checkHistory(history)).toEqual([]);
});

const regeneration = (history: History) => history.regenerations[0] as History["regenerations"][0];
const pictures = (history: History) => history.pictures as NonNullable<History["pictures"]>;
const back = { deleted_at: undefined, content: "answer 2" };
const elsewhere = { replyId: "m2", turnId: "t1", seq: 2 };
const gaveUp = { status: "failed", problem: { code: "attempts_exhausted" } };
const noted = { turnId: "t1", invokedAt: 1, settledAt: 2, ok: null, storedBy: Date.parse(at) - 1 };
const asRead = { client: "b", invokedAt: 95, settledAt: 96 };

const badBusy: [what: string, promise: Violation["promise"], spoil: (history: History) => unknown][] = [
  ["an acknowledged regeneration is lost", "I1", (h) => set(stored(h, 5), { id: "m9" })],
  ["a regeneration answers another message", "I5", (h) => set(stored(h, 5), { parent_id: "m3" })],
  ["two answers to one key differ", "I2", (h) => h.regenerations.push({ ...regeneration(h), ok: elsewhere })],
  ["an edit hangs elsewhere than it named", "I5", (h) => set(h.sends[2] as object, { parentId: "m1" })],
  ["a reply answers another message", "I5", (h) => set(stored(h, 7), { parent_id: "m4" })],
  ["siblings are miscounted", "I5", (h) => set(stored(h, 5), { siblings: { index: 0, count: 2 } })],
  ["a later turn ran before an earlier one", "I5", (h) => h.wall.unshift(h.wall.pop() as never)],
  ["one answer is stored for two turns", "I3", (h) => set(stored(h, 5), { content: "answer 1" })],
  ["a stop was told another outcome", "I3", (h) => set(h.stops[0]?.ok as object, { status: "failed" })],
  ["a stored wish to stop is forgotten", "I3", (h) => h.stops.push({ ...noted })],
  ["a turn was stopped that nobody wished to stop", "I3", (h) => h.stops.pop()],
  ["a turn gave up without a kill", "I3", (h) => set(end(h).turns[0] as object, gaveUp)],
  ["a deleted message is back", "I15", (h) => set(stored(h, 4), back)],
  ["a deleted message still has its text", "I15", (h) => set(stored(h, 4), { content: "answer 2" })],
  ["a deleted message has lost its place", "I15", (h) => end(h).messages.splice(3, 1)],
  ["a message was emptied unasked", "I15", (h) => set(stored(h, 1), { deleted_at: at, content: "" })],
  ["a deleted conversation is back", "I1", (h) => set(h.final, { c2: { messages: [], turns: [] } })],
  ["a conversation is gone unasked", "I1", (h) => set(h.final, { [CONVERSATION]: null })],
  [
    "a deleted conversation was read",
    "I1",
    (h) => h.reads.push({ ...asRead, conversationId: "c2", messages: [] }),
  ],
  [
    "a conversation read as missing",
    "I1",
    (h) => h.reads.push({ ...asRead, conversationId: CONVERSATION, messages: null }),
  ],
  ["a read misses a regeneration", "I5", (h) => set(h.regenerations[0] as object, { settledAt: 30 })],
  ["an import is lost", "I1", (h) => pictures(h).names.pop()],
  ["an import was done twice", "I2", (h) => pictures(h).names.push("Card 1")],
  ["a picture is lost", "I1", (h) => pictures(h).shown.pop()],
  ["a picture is left that nobody shows", "I19", (h) => set(pictures(h), { dangling: 1 })],
  ["the server failed by itself", "R17", (h) => h.faults.push("the server ended with 1")],
];

test.each(badBusy)("a busy history in which %s breaks %s", (_what, promise, spoil) => {
  const history = busyHistory();
  spoil(history);
  expect(checkHistory(history).map((violation) => violation.promise)).toContain(promise);
});
