import type { Message } from "@parley-chat/sdk";
import { order, places, readsOf, removals } from "./check-order.ts";
import { exhausted, outcomes, stopsOf, streamsOf, wallOf } from "./check-turns.ts";
import type { History, Violation } from "./history.ts";

/** Everything in a history that breaks a promise; nothing where all hold. */
export function checkHistory(history: History): Violation[] {
  return [
    ...history.faults.map((what): Violation => ({ promise: "R17", what })),
    ...lostAcks(history),
    ...duplicates(history),
    ...outcomes(history),
    ...stopsOf(history),
    ...exhausted(history),
    ...places(history),
    ...removals(history),
    ...order(history),
    ...readsOf(history),
    ...streamsOf(history),
    ...wallOf(history),
    ...importsOf(history),
  ];
}

/** I1: what was acknowledged is there, as it was sent and where it was said to be. */
function* lostAcks({ sends, regenerations, final }: History): Generator<Violation> {
  const messages = new Map<string, Message>();
  const turnIds = new Set<string>();
  for (const one of Object.values(final)) {
    for (const message of one?.messages ?? []) messages.set(message.id, message);
    for (const { id } of one?.turns ?? []) turnIds.add(id);
  }
  for (const { ok, conversationId, clientMessageId, content, parentId } of sends) {
    if (!ok || final[conversationId] === null) continue;
    const message = messages.get(ok.messageId);
    const name = `the acknowledged ${clientMessageId}`;
    if (!message) yield { promise: "I1", what: `${name} is gone` };
    else if (message.content !== content && message.deleted_at === undefined)
      yield { promise: "I1", what: `${name} holds another text` };
    else if (message.seq !== ok.seq) yield { promise: "I5", what: `${name} moved from seq ${ok.seq}` };
    else if (parentId !== undefined && message.parent_id !== parentId)
      yield { promise: "I5", what: `${name} hangs below another message than it named` };
    if (ok.replyId === null || ok.turnId === null) continue;
    const reply = messages.get(ok.replyId);
    if (!reply) yield { promise: "I1", what: `the place of the reply to ${clientMessageId} is gone` };
    else if (reply.seq !== ok.seq + 1 || reply.parent_id !== ok.messageId)
      yield { promise: "I5", what: `the reply to ${clientMessageId} is not in the place behind it` };
    if (!turnIds.has(ok.turnId)) yield { promise: "I1", what: `the turn of ${clientMessageId} is gone` };
  }
  for (const { ok, conversationId, messageId, key } of regenerations) {
    if (!ok || final[conversationId] === null) continue;
    const reply = messages.get(ok.replyId);
    if (!reply) yield { promise: "I1", what: `the acknowledged regeneration ${key} is gone` };
    else if (reply.seq !== ok.seq) yield { promise: "I5", what: `${key} moved from seq ${ok.seq}` };
    else if (reply.parent_id !== messages.get(messageId)?.parent_id)
      yield { promise: "I5", what: `the regeneration ${key} answers another message` };
    if (!turnIds.has(ok.turnId)) yield { promise: "I1", what: `the turn of ${key} is gone` };
  }
}

/** I2: one message for each client id, and every answer to it names the same. */
function* duplicates({ sends, regenerations, final }: History): Generator<Violation> {
  for (const one of Object.values(final)) {
    const seen = new Set<string>();
    for (const { client_message_id: id } of one?.messages ?? []) {
      if (id === undefined) continue;
      if (seen.has(id)) yield { promise: "I2", what: `${id} is stored twice` };
      seen.add(id);
    }
  }
  const answers = new Map<string, string>();
  function* same(conversationId: string, id: string, answer: string): Generator<Violation> {
    const key = `${conversationId} ${id}`;
    if ((answers.get(key) ?? answer) !== answer)
      yield { promise: "I2", what: `two answers to ${id} name different things` };
    answers.set(key, answer);
  }
  for (const { ok, conversationId, clientMessageId } of sends) {
    if (!ok) continue;
    const answer = `${ok.messageId} ${ok.replyId} ${ok.turnId} ${ok.seq}`;
    yield* same(conversationId, clientMessageId, answer);
  }
  for (const { ok, conversationId, key } of regenerations) {
    if (ok) yield* same(conversationId, key, `${ok.replyId} ${ok.turnId} ${ok.seq}`);
  }
}

/** An import that was acknowledged is there once, with its picture; no picture is left that nobody shows. */
function* importsOf({ imports, pictures }: History): Generator<Violation> {
  if (!pictures) return;
  const shown = new Set(pictures.shown);
  const known = new Set(imports.map(({ name }) => name));
  for (const name of new Set(pictures.names)) {
    const count = pictures.names.filter((other) => other === name).length;
    if (count > 1) yield { promise: "I2", what: `${name} was imported ${count} times` };
    if (!known.has(name)) yield { promise: "I1", what: `${name} was never imported` };
    if (!shown.has(name)) yield { promise: "I1", what: `the picture of ${name} is gone` };
  }
  for (const name of new Set(imports.flatMap((one) => (one.ok ? [one.name] : [])))) {
    if (!pictures.names.includes(name)) yield { promise: "I1", what: `the acknowledged ${name} is gone` };
  }
  if (pictures.dangling > 0)
    yield { promise: "I19", what: `${pictures.dangling} pictures are left that nobody shows` };
}
