import type { Message, Turn } from "@parley-chat/sdk";
import type { History, Violation, WallCall } from "./history.ts";

const isReplyOfTurn = (message: Message) => message.role === "assistant" && message.turn_id !== undefined;

const REPLY_STATUS: Record<string, readonly string[]> = {
  completed: ["complete"],
  failed: ["incomplete", "failed"],
  stopped: ["incomplete", "failed"],
};

/** I3, I4: every turn has ended, in one outcome, with one reply whose status says the same. */
export function* outcomes({ final }: History): Generator<Violation> {
  for (const one of Object.values(final)) {
    if (!one) continue;
    const replies = Map.groupBy(one.messages.filter(isReplyOfTurn), ({ turn_id }) => turn_id as string);
    for (const turn of new Map(one.turns.map((each) => [each.id, each])).values()) {
      const own = replies.get(turn.id) ?? [];
      if (own.length !== 1) {
        yield { promise: "I3", what: `turn ${turn.id} has ${own.length} replies` };
        continue;
      }
      yield* outcome(turn, own[0] as Message);
    }
    const known = new Set(one.turns.map(({ id }) => id));
    for (const [turnId, [reply]] of replies) {
      if (!known.has(turnId)) yield { promise: "I3", what: `the reply at seq ${reply?.seq} has no turn` };
    }
  }
}

function* outcome(turn: Turn, reply: Message): Generator<Violation> {
  const fitting = REPLY_STATUS[turn.status];
  if (!fitting) yield { promise: "I4", what: `turn ${turn.id} is still ${turn.status}` };
  else if (!fitting.includes(reply.status))
    yield { promise: "I3", what: `turn ${turn.id} is ${turn.status}, its reply ${reply.status}` };
  if (reply.status === "incomplete" && reply.content === "" && reply.deleted_at === undefined)
    yield { promise: "I8", what: `the reply of ${turn.id} is incomplete without text` };
}

const turnsOf = ({ final }: History) =>
  new Map(Object.values(final).flatMap((one) => one?.turns.map((turn) => [turn.id, turn] as const) ?? []));

/** I3: a stop that was told of an outcome told the one; a wish that was stored holds; nobody else stops. */
export function* stopsOf(history: History): Generator<Violation> {
  const turns = turnsOf(history);
  const wished = new Set(history.stops.map(({ turnId }) => turnId));
  for (const { turnId, ok, storedBy } of history.stops) {
    const turn = turns.get(turnId);
    if (!turn) continue;
    if (ok?.isEnded && ok.status !== turn.status)
      yield { promise: "I3", what: `a stop of ${turnId} was told ${ok.status}, stored is ${turn.status}` };
    const endedAt = Date.parse(turn.ended_at ?? "");
    if (storedBy !== null && turn.status !== "stopped" && !(endedAt <= storedBy))
      yield { promise: "I3", what: `the wish to stop ${turnId} was forgotten: it is ${turn.status}` };
  }
  for (const turn of turns.values()) {
    if (turn.status === "stopped" && !wished.has(turn.id))
      yield { promise: "I3", what: `turn ${turn.id} is stopped, which nobody asked for` };
  }
}

/** When each turn was first asked for: its call may have had no answer, and a later one told of the turn. */
function firstAsked({ sends, regenerations }: History): Map<string, number> {
  const calls = Map.groupBy([...sends, ...regenerations], (call) =>
    "key" in call ? call.key : `${call.conversationId} ${call.clientMessageId}`,
  );
  const from = new Map<string, number>();
  for (const tries of calls.values()) {
    const invokedAt = Math.min(...tries.map((call) => call.invokedAt));
    for (const { ok } of tries) if (ok?.turnId) from.set(ok.turnId, invokedAt);
  }
  return from;
}

/** I3: a turn gives up only where the server was killed, and each attempt was cut or refused. */
export function* exhausted(history: History): Generator<Violation> {
  const { kills, attemptsMax } = history;
  const from = firstAsked(history);
  const clientIds = new Map(
    Object.values(history.final).flatMap(
      (one) => one?.messages.map((message) => [message.id, message.client_message_id] as const) ?? [],
    ),
  );
  for (const turn of turnsOf(history).values()) {
    if (turn.problem?.code !== "attempts_exhausted") continue;
    const since = from.get(turn.id) ?? Number.NEGATIVE_INFINITY;
    const met = kills.filter((at) => at >= since).length;
    const asked = clientIds.get(turn.message_id);
    const broken = history.wall.filter((call) => call.clientMessageId === asked && !call.isFinished).length;
    if (met === 0 || met + broken < attemptsMax)
      yield { promise: "I3", what: `turn ${turn.id} gave up after ${met} kills and ${broken} broken calls` };
  }
}

const OUTCOME: Record<string, string> = {
  "turn.completed": "completed",
  "turn.failed": "failed",
  "turn.stopped": "stopped",
};

/** Of a reply that was deleted since, a stream that comes later has nothing to tell but the outcome. */
const OF_DELETED = /without reply\.end/;

/** I3, I6: what streams showed tiles, and tells the same outcome and text as the store. */
export function* streamsOf(history: History): Generator<Violation> {
  const turns = turnsOf(history);
  const replies = new Map(
    Object.values(history.final).flatMap(
      (one) => one?.messages.filter(isReplyOfTurn).map((reply) => [reply.turn_id, reply] as const) ?? [],
    ),
  );
  for (const { turnId, violations, end, text } of history.streams) {
    const reply = replies.get(turnId);
    // Of a conversation that is gone nobody knows whether its reply had gone before.
    const isKept = reply !== undefined && reply.deleted_at === undefined;
    for (const what of violations) {
      if (isKept || !OF_DELETED.test(what)) yield { promise: "I6", what: `stream of ${turnId}: ${what}` };
    }
    const status = turns.get(turnId)?.status;
    // Of a deleted conversation nothing is left to compare with.
    if (end === null || (!reply && status === undefined)) continue;
    if (OUTCOME[end] !== status)
      yield { promise: "I3", what: `a stream of ${turnId} ended with ${end}, stored is ${status}` };
    if (reply?.deleted_at === undefined && text !== reply?.content)
      yield { promise: "I6", what: `a stream of ${turnId} showed another text than is stored` };
  }
}

/** I8, I12: a stored text is that of one call to the model, whole where it is called complete. */
export function* wallOf(history: History): Generator<Violation> {
  const calls = Map.groupBy(history.wall, ({ clientMessageId }) => clientMessageId);
  const finished = new Map<string, number>();
  for (const { messages } of Object.values(history.final).flatMap((one) => one ?? [])) {
    const byId = new Map(messages.map((message) => [message.id, message]));
    const replies = Map.groupBy(
      messages.filter(isReplyOfTurn),
      ({ parent_id }) => byId.get(parent_id ?? "")?.client_message_id ?? "",
    );
    for (const [clientMessageId, own] of replies) {
      const made = calls.get(clientMessageId) ?? [];
      const callsMax = history.attemptsMax * own.length;
      if (made.length > callsMax)
        yield {
          promise: "I12",
          what: `the model was asked ${made.length} times for ${own.length} replies to ${clientMessageId}`,
        };
      for (const reply of own) {
        if (reply.deleted_at !== undefined) continue;
        yield* saidByModel(reply, made);
        if (reply.status !== "complete") continue;
        const count = (finished.get(reply.content) ?? 0) + 1;
        finished.set(reply.content, count);
        if (count === 2) yield { promise: "I3", what: `one answer of the model is stored twice` };
      }
    }
    // Where one model is asked by several servers side by side, their calls cannot be told apart.
    if (Number.isFinite(history.attemptsMax)) yield* turnByTurn(messages, replies, history.wall);
  }
}

function* saidByModel(reply: Message, made: readonly WallCall[]): Generator<Violation> {
  const { seq, status, content } = reply;
  if (status === "complete" && !made.some((call) => call.isFinished && call.text === content))
    yield { promise: "I8", what: `the complete reply at seq ${seq} is no finished answer of the model` };
  if (status === "incomplete" && !made.some((call) => call.text.startsWith(content)))
    yield { promise: "I8", what: `the incomplete reply at seq ${seq} is of no one answer of the model` };
}

/** I5: turns of a conversation run one after the other, in the order of their places. */
function* turnByTurn(
  messages: readonly Message[],
  replies: ReadonlyMap<string, readonly Message[]>,
  wall: readonly WallCall[],
): Generator<Violation> {
  const first = new Map<string, number>();
  const last = new Map<string, number>();
  for (const [index, { clientMessageId }] of wall.entries()) {
    if (!first.has(clientMessageId)) first.set(clientMessageId, index);
    last.set(clientMessageId, index);
  }
  let before = { last: -1, id: "" };
  for (const { client_message_id: id = "" } of messages) {
    const begun = first.get(id);
    // Calls for a message that was answered anew cannot be told apart.
    if (begun === undefined || replies.get(id)?.length !== 1) continue;
    if (begun < before.last)
      yield { promise: "I5", what: `the turn of ${id} began before that of ${before.id} had ended` };
    before = { last: Math.max(before.last, last.get(id) as number), id };
  }
}
