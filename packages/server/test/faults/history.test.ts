import type { Message, Turn } from "@parley-chat/sdk";
import { expect, test } from "vitest";
import { checkHistory, type History, type Violation } from "./history.ts";

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
    attemptsMax: 3,
  };
}

test("a history in which every promise held raises no alarm", () => {
  expect(checkHistory(goodHistory())).toEqual([]);
});

/** Parts of a history, to be spoiled. */
const end = (history: History) => history.final[CONVERSATION] as { messages: Message[]; turns: Turn[] };
const stored = (history: History, seq: number) => end(history).messages[seq - 1] as Message;
const read = (history: History, n: number) => (history.reads[n] as History["reads"][0]).messages;
const set = Object.assign;

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
