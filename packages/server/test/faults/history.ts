import type { Message, Turn } from "@parley-chat/sdk";

/**
 * The record of a run, from four witnesses: what clients called and heard, what streams showed, what the
 * model was asked and said, and what the store holds at the end. Times are any one clock's milliseconds.
 */
export interface History {
  /** Each call of a send; a retry is a call of its own. */
  sends: SendCall[];
  /** Whole conversations as they were read. */
  reads: ListCall[];
  streams: StreamRecord[];
  /** What the model was asked and how far it came. */
  wall: WallCall[];
  final: Record<string, { messages: Message[]; turns: Turn[] }>;
  attemptsMax: number;
}

export interface SendCall {
  conversationId: string;
  clientMessageId: string;
  content: string;
  invokedAt: number;
  settledAt: number;
  /** Null where it is not known whether it was done: no answer came. */
  ok: { messageId: string; replyId: string; turnId: string; seq: number } | null;
}

export interface ListCall {
  client: string;
  conversationId: string;
  invokedAt: number;
  settledAt: number;
  messages: Message[];
}

export interface StreamRecord {
  turnId: string;
  /** What its screen wrote down. */
  violations: readonly string[];
  /** The event that closed it, null where it broke off. */
  end: string | null;
  text: string;
}

export interface WallCall {
  clientMessageId: string;
  /** All that was said. */
  text: string;
  /** The terminal marker was sent. */
  isFinished: boolean;
}

export interface Violation {
  /** The promise of reliability.md that is broken. */
  promise: "I1" | "I2" | "I3" | "I4" | "I5" | "I6" | "I8" | "I12" | "I15";
  what: string;
}

/** Everything in a history that breaks a promise; nothing where all hold. */
export function checkHistory(history: History): Violation[] {
  return [
    ...lostAcks(history),
    ...duplicates(history),
    ...outcomes(history),
    ...places(history),
    ...order(history),
    ...readsOf(history),
    ...streamsOf(history),
    ...wallOf(history),
  ];
}

const isReplyOfTurn = (message: Message) => message.role === "assistant" && message.turn_id !== undefined;

/** I1: what was acknowledged is there, as it was sent and where it was said to be. */
function* lostAcks({ sends, final }: History): Generator<Violation> {
  for (const { ok, conversationId, clientMessageId, content } of sends) {
    if (!ok) continue;
    const { messages = [], turns = [] } = final[conversationId] ?? {};
    const message = messages.find(({ id }) => id === ok.messageId);
    const name = `the acknowledged ${clientMessageId}`;
    if (!message) yield { promise: "I1", what: `${name} is gone` };
    else if (message.content !== content) yield { promise: "I1", what: `${name} holds another text` };
    else if (message.seq !== ok.seq) yield { promise: "I5", what: `${name} moved from seq ${ok.seq}` };
    if (!messages.some(({ id }) => id === ok.replyId)) {
      yield { promise: "I1", what: `the place of the reply to ${clientMessageId} is gone` };
    }
    if (!turns.some(({ id }) => id === ok.turnId)) {
      yield { promise: "I1", what: `the turn of ${clientMessageId} is gone` };
    }
  }
}

/** I2: one message for each client id, and every answer to it names the same. */
function* duplicates({ sends, final }: History): Generator<Violation> {
  for (const { messages } of Object.values(final)) {
    const seen = new Set<string>();
    for (const { client_message_id: id } of messages) {
      if (id === undefined) continue;
      if (seen.has(id)) yield { promise: "I2", what: `${id} is stored twice` };
      seen.add(id);
    }
  }
  const answers = new Map<string, string>();
  for (const { ok, conversationId, clientMessageId } of sends) {
    if (!ok) continue;
    const key = `${conversationId} ${clientMessageId}`;
    const answer = `${ok.messageId} ${ok.replyId} ${ok.turnId} ${ok.seq}`;
    if ((answers.get(key) ?? answer) !== answer) {
      yield { promise: "I2", what: `two answers to ${clientMessageId} name different things` };
    }
    answers.set(key, answer);
  }
}

const REPLY_STATUS: Record<string, readonly string[]> = {
  completed: ["complete"],
  failed: ["incomplete", "failed"],
  stopped: ["incomplete", "failed"],
};

/** I3, I4: every turn has ended, in one outcome, with one reply whose status says the same. */
function* outcomes({ final }: History): Generator<Violation> {
  for (const { messages, turns } of Object.values(final)) {
    for (const turn of turns) {
      const replies = messages.filter((message) => isReplyOfTurn(message) && message.turn_id === turn.id);
      if (replies.length !== 1) {
        yield { promise: "I3", what: `turn ${turn.id} has ${replies.length} replies` };
        continue;
      }
      const [reply] = replies as [Message];
      const fitting = REPLY_STATUS[turn.status];
      if (!fitting) yield { promise: "I4", what: `turn ${turn.id} is still ${turn.status}` };
      else if (!fitting.includes(reply.status)) {
        yield { promise: "I3", what: `turn ${turn.id} is ${turn.status}, its reply ${reply.status}` };
      }
      if (reply.status === "incomplete" && reply.content === "") {
        yield { promise: "I8", what: `the reply of ${turn.id} is incomplete without text` };
      }
    }
    const known = new Set(turns.map(({ id }) => id));
    for (const message of messages.filter(isReplyOfTurn)) {
      if (!known.has(message.turn_id as string)) {
        yield { promise: "I3", what: `the reply at seq ${message.seq} has no turn` };
      }
    }
  }
}

/** I5: places from 1 without a hole, a parent below its child, a reply right after its message. */
function* places({ final }: History): Generator<Violation> {
  for (const [id, { messages }] of Object.entries(final)) {
    const seqOf = new Map(messages.map((message) => [message.id, message.seq]));
    for (const [index, message] of messages.entries()) {
      if (message.seq !== index + 1) {
        yield { promise: "I5", what: `${id} has seq ${message.seq} at place ${index + 1}` };
        break;
      }
    }
    for (const { seq, parent_id } of messages) {
      if (parent_id !== null && !((seqOf.get(parent_id) ?? Number.POSITIVE_INFINITY) < seq)) {
        yield { promise: "I5", what: `the parent of seq ${seq} in ${id} is not below it` };
      }
    }
  }
}

/** I5: a send that was acknowledged before another was first called has the lower seq. */
function* order({ sends, final }: History): Generator<Violation> {
  const byMessage = new Map<string, { id: string; conversationId: string; from: number; to: number }>();
  for (const { conversationId, clientMessageId, invokedAt, settledAt, ok } of sends) {
    const key = `${conversationId} ${clientMessageId}`;
    const known = byMessage.get(key) ?? {
      id: clientMessageId,
      conversationId,
      from: Number.POSITIVE_INFINITY,
      to: Number.POSITIVE_INFINITY,
    };
    known.from = Math.min(known.from, invokedAt);
    if (ok) known.to = Math.min(known.to, settledAt);
    byMessage.set(key, known);
  }
  for (const [conversationId, { messages }] of Object.entries(final)) {
    // Going up by seq, nothing may have been acknowledged before what lies below it was called.
    let latest = { from: Number.NEGATIVE_INFINITY, id: "" };
    for (const { client_message_id: id } of messages) {
      const known = id === undefined ? undefined : byMessage.get(`${conversationId} ${id}`);
      if (!known) continue;
      if (known.to < latest.from) {
        yield {
          promise: "I5",
          what: `${known.id} was acknowledged before ${latest.id} was sent, but is above it`,
        };
      }
      if (known.from > latest.from) latest = { from: known.from, id: known.id };
    }
  }
}

/** I5, I15: reads see what was acknowledged before, agree with the end, and never go back or change. */
function* readsOf({ sends, reads, final }: History): Generator<Violation> {
  for (const read of reads) {
    const last = final[read.conversationId]?.messages ?? [];
    const seqs = read.messages.map(({ seq }) => seq);
    if (seqs.some((seq, index) => seq !== index + 1)) {
      yield { promise: "I5", what: `${read.client} read places ${seqs.join(" ")}` };
      continue;
    }
    for (const { ok, settledAt, clientMessageId, conversationId } of sends) {
      if (!ok || conversationId !== read.conversationId || settledAt >= read.invokedAt) continue;
      if (ok.seq > read.messages.length) {
        yield { promise: "I5", what: `${read.client} read without the acknowledged ${clientMessageId}` };
      }
    }
    for (const message of read.messages) {
      const end = last[message.seq - 1];
      if (end?.id !== message.id) {
        yield { promise: "I5", what: `${read.client} read another message at seq ${message.seq}` };
      } else if (message.status !== "pending" && !isSame(message, end)) {
        yield { promise: "I15", what: `the message at seq ${message.seq} changed after it was settled` };
      }
    }
  }
  yield* backward(reads);
}

const isSame = (a: Message, b: Message) =>
  a.content === b.content && a.status === b.status && a.role === b.role && a.parent_id === b.parent_id;

/** I5: a read that begins after another has ended sees at least as much. */
function* backward(reads: ListCall[]): Generator<Violation> {
  for (const later of reads) {
    for (const earlier of reads) {
      if (earlier.conversationId !== later.conversationId || earlier.settledAt >= later.invokedAt) continue;
      const lost = earlier.messages.some(
        ({ status }, index) =>
          status !== "pending" && (later.messages[index]?.status ?? "pending") === "pending",
      );
      if (lost || later.messages.length < earlier.messages.length) {
        yield { promise: "I5", what: `${later.client} read less than was read before` };
        break;
      }
    }
  }
}

const OUTCOME: Record<string, string> = {
  "turn.completed": "completed",
  "turn.failed": "failed",
  "turn.stopped": "stopped",
};

/** I3, I6: what streams showed tiles, and tells the same outcome and text as the store. */
function* streamsOf({ streams, final }: History): Generator<Violation> {
  const all = Object.values(final);
  const turns = new Map(all.flatMap((one) => one.turns).map((turn) => [turn.id, turn]));
  const replies = new Map(
    all.flatMap((one) => one.messages.filter(isReplyOfTurn)).map((reply) => [reply.turn_id, reply]),
  );
  for (const { turnId, violations, end, text } of streams) {
    for (const what of violations) yield { promise: "I6", what: `stream of ${turnId}: ${what}` };
    if (end === null) continue;
    if (OUTCOME[end] !== turns.get(turnId)?.status) {
      yield {
        promise: "I3",
        what: `a stream of ${turnId} ended with ${end}, stored is ${turns.get(turnId)?.status}`,
      };
    }
    if (text !== replies.get(turnId)?.content) {
      yield { promise: "I6", what: `a stream of ${turnId} showed another text than is stored` };
    }
  }
}

/** I8, I12: a stored text is that of one call to the model, whole where it is called complete. */
function* wallOf({ wall, sends, final, attemptsMax }: History): Generator<Violation> {
  const calls = Map.groupBy(wall, ({ clientMessageId }) => clientMessageId);
  for (const [id, made] of calls) {
    if (made.length > attemptsMax)
      yield { promise: "I12", what: `the model was asked ${made.length} times for ${id}` };
  }
  const clientIdOf = new Map<string, string>();
  for (const { messages } of Object.values(final)) {
    for (const { client_message_id, turn_id } of messages) {
      if (client_message_id !== undefined && turn_id !== undefined)
        clientIdOf.set(turn_id, client_message_id);
    }
  }
  for (const { ok, clientMessageId } of sends) if (ok) clientIdOf.set(ok.turnId, clientMessageId);
  for (const { messages } of Object.values(final)) {
    for (const reply of messages.filter(isReplyOfTurn)) {
      const made = calls.get(clientIdOf.get(reply.turn_id as string) ?? "") ?? [];
      if (
        reply.status === "complete" &&
        !made.some((call) => call.isFinished && call.text === reply.content)
      ) {
        yield {
          promise: "I8",
          what: `the complete reply at seq ${reply.seq} is no finished answer of the model`,
        };
      }
      if (reply.status === "incomplete" && !made.some((call) => call.text.startsWith(reply.content))) {
        yield {
          promise: "I8",
          what: `the incomplete reply at seq ${reply.seq} is of no one answer of the model`,
        };
      }
    }
  }
}
