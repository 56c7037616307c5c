import type { Message } from "@parley-chat/sdk";
import type { History, ListCall, Violation } from "./history.ts";

/** I5: places from 1 without a hole, a parent below its child, siblings counted in the order of their places. */
export function* places({ final }: History): Generator<Violation> {
  for (const [id, one] of Object.entries(final)) {
    const messages = one?.messages ?? [];
    const seqOf = new Map(messages.map((message) => [message.id, message.seq]));
    const hole = messages.findIndex((message, index) => message.seq !== index + 1);
    if (hole >= 0) yield { promise: "I5", what: `${id} has seq ${messages[hole]?.seq} at place ${hole + 1}` };
    for (const { seq, parent_id } of messages) {
      if (parent_id !== null && !((seqOf.get(parent_id) ?? Number.POSITIVE_INFINITY) < seq))
        yield { promise: "I5", what: `the parent of seq ${seq} in ${id} is not below it` };
    }
    for (const siblings of Map.groupBy(messages, ({ parent_id }) => parent_id).values()) {
      const wrong = siblings.find(
        (message, index) => message.siblings.index !== index || message.siblings.count !== siblings.length,
      );
      if (wrong) yield { promise: "I5", what: `seq ${wrong.seq} in ${id} is miscounted among its siblings` };
    }
  }
}

/** I1, I15: what was deleted is and stays so, a message as an empty place; nothing else is. */
export function* removals({ removals, final, reads }: History): Generator<Violation> {
  const asked = new Set(removals.map(({ conversationId, messageId }) => messageId ?? conversationId));
  const gone = new Map<string, number>();
  const messages = new Map(
    Object.values(final).flatMap(
      (one) => one?.messages.map((message) => [message.id, message] as const) ?? [],
    ),
  );
  for (const { conversationId, messageId, ok, settledAt } of removals) {
    if (!ok) continue;
    if (messageId === null) {
      gone.set(conversationId, Math.min(settledAt, gone.get(conversationId) ?? settledAt));
      if (final[conversationId]) yield { promise: "I1", what: `the deleted ${conversationId} is back` };
    } else if (final[conversationId]) {
      const message = messages.get(messageId);
      if (!message) yield { promise: "I15", what: `the deleted ${messageId} has lost its place` };
      else if (message.deleted_at === undefined)
        yield { promise: "I15", what: `the deleted message at seq ${message.seq} is back` };
    }
  }
  for (const [id, one] of Object.entries(final)) {
    if (!one && !asked.has(id)) yield { promise: "I1", what: `${id} is gone, which nobody asked for` };
    for (const message of one?.messages ?? []) {
      if (message.deleted_at === undefined) continue;
      if (!asked.has(message.id))
        yield { promise: "I15", what: `seq ${message.seq} was emptied, which nobody asked for` };
      if (message.content !== "")
        yield { promise: "I15", what: `the deleted message at seq ${message.seq} still has its text` };
    }
  }
  for (const { client, conversationId, messages, invokedAt } of reads) {
    if (messages === null && !asked.has(conversationId))
      yield { promise: "I1", what: `${client} was told that ${conversationId} is not there` };
    if (messages !== null && (gone.get(conversationId) ?? Number.POSITIVE_INFINITY) < invokedAt)
      yield { promise: "I1", what: `${client} read the deleted ${conversationId}` };
  }
}

interface Taken {
  name: string;
  from: number;
  to: number;
}

/** I5: what was acknowledged before something else was first called has the lower seq. */
export function* order({ sends, regenerations, final }: History): Generator<Violation> {
  const byPlace = new Map<string, Taken>();
  const note = (key: string, name: string, call: { invokedAt: number; settledAt: number; ok: unknown }) => {
    const known = byPlace.get(key) ?? { name, from: Number.POSITIVE_INFINITY, to: Number.POSITIVE_INFINITY };
    known.from = Math.min(known.from, call.invokedAt);
    if (call.ok) known.to = Math.min(known.to, call.settledAt);
    byPlace.set(key, known);
  };
  for (const call of sends)
    note(`${call.conversationId} ${call.clientMessageId}`, call.clientMessageId, call);
  const repliesOf = new Map(regenerations.flatMap(({ key, ok }) => (ok ? [[key, ok.replyId] as const] : [])));
  for (const call of regenerations) note(repliesOf.get(call.key) ?? call.key, call.key, call);
  for (const [conversationId, one] of Object.entries(final)) {
    // Going up by seq, nothing may have been acknowledged before what lies below it was called.
    let latest = { from: Number.NEGATIVE_INFINITY, name: "" };
    for (const { id, client_message_id: clientId } of one?.messages ?? []) {
      const known = byPlace.get(clientId === undefined ? id : `${conversationId} ${clientId}`);
      if (!known) continue;
      if (known.to < latest.from)
        yield {
          promise: "I5",
          what: `${known.name} was acknowledged before ${latest.name} was sent, but is above it`,
        };
      if (known.from > latest.from) latest = { from: known.from, name: known.name };
    }
  }
}

/** I5, I15: reads see what was acknowledged before, agree with the end, and never go back or change. */
export function* readsOf(history: History): Generator<Violation> {
  const whole: WholeRead[] = [];
  for (const read of history.reads) {
    if (read.messages === null) continue;
    const seqs = read.messages.map(({ seq }) => seq);
    if (seqs.some((seq, index) => seq !== index + 1))
      yield { promise: "I5", what: `${read.client} read places ${seqs.join(" ")}` };
    else whole.push({ ...read, messages: read.messages });
  }
  for (const { client, conversationId, messages } of whole) {
    const last = history.final[conversationId]?.messages;
    if (!last) continue;
    for (const message of messages) {
      const end = last[message.seq - 1];
      if (end?.id !== message.id)
        yield { promise: "I5", what: `${client} read another message at seq ${message.seq}` };
      else if (message.status !== "pending" && !isSame(message, end))
        yield { promise: "I15", what: `the message at seq ${message.seq} changed after it was settled` };
    }
  }
  yield* ownWrites(history, whole);
  yield* backward(whole);
}

type WholeRead = ListCall & { messages: Message[] };

/** A message that was deleted since has lost its text and nothing else. */
const isSame = (a: Message, b: Message) =>
  (a.content === b.content || (b.deleted_at !== undefined && a.deleted_at === undefined)) &&
  a.status === b.status &&
  a.role === b.role &&
  a.parent_id === b.parent_id;

/** Groups by conversation, each group in the order of `at`. */
const inOrder = <T extends { conversationId: string }>(all: readonly T[], at: (one: T) => number) =>
  Map.groupBy(
    all.toSorted((a, b) => at(a) - at(b)),
    ({ conversationId }) => conversationId,
  );

/** I5: a read sees everything that was acknowledged before it began. */
function* ownWrites(history: History, reads: readonly WholeRead[]): Generator<Violation> {
  const acked = [
    ...history.sends.map((call) => ({ ...call, name: call.clientMessageId })),
    ...history.regenerations.map((call) => ({ ...call, name: call.key })),
  ].filter(({ ok }) => ok);
  const writes = inOrder(acked, ({ settledAt }) => settledAt);
  for (const [conversationId, own] of inOrder(reads, ({ invokedAt }) => invokedAt)) {
    const before = writes.get(conversationId) ?? [];
    let next = 0;
    let highest = { seq: 0, name: "" };
    for (const { client, invokedAt, messages } of own) {
      for (; (before[next]?.settledAt ?? Number.POSITIVE_INFINITY) < invokedAt; next++) {
        const { ok, name } = before[next] as (typeof before)[0];
        if (ok && ok.seq > highest.seq) highest = { seq: ok.seq, name };
      }
      if (highest.seq > messages.length)
        yield { promise: "I5", what: `${client} read without the acknowledged ${highest.name}` };
    }
  }
}

/** How far a message has come: none of it is ever taken back. */
const stageOf = ({ status, deleted_at }: Message): number =>
  deleted_at !== undefined ? 3 : status === "pending" ? 1 : 2;

/** I5: a read that begins after others have ended sees at least as much as all of them together. */
function* backward(reads: readonly WholeRead[]): Generator<Violation> {
  const ended = inOrder(reads, ({ settledAt }) => settledAt);
  for (const [conversationId, own] of inOrder(reads, ({ invokedAt }) => invokedAt)) {
    const before = ended.get(conversationId) ?? [];
    const seen: number[] = [];
    let next = 0;
    for (const { client, invokedAt, messages } of own) {
      for (; (before[next]?.settledAt ?? Number.POSITIVE_INFINITY) < invokedAt; next++) {
        for (const [index, message] of (before[next] as WholeRead).messages.entries())
          seen[index] = Math.max(seen[index] ?? 0, stageOf(message));
      }
      const isLess = seen.some((stage, index) => {
        const message = messages[index];
        return !message || stageOf(message) < stage;
      });
      if (isLess) yield { promise: "I5", what: `${client} read less than was read before` };
    }
  }
}
