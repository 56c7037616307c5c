import type { SignedInContext } from "@parley-chat/sdk/contract";
import { afterEach, expect, test } from "vitest";
import { manualClock } from "../../kit/clock.ts";
import { newId } from "../../kit/ids.ts";
import {
  answer,
  CHARACTER,
  makeConversation,
  NOON,
  USER,
} from "../../ports/message-store/conformance/wishes.ts";
import type { MessageStore } from "../../ports/message-store/message-store.ts";
import { createSqliteMessageStore } from "../../ports/message-store/sqlite.ts";
import { createMessages } from "./messages.ts";

const open: MessageStore[] = [];
afterEach(async () => {
  for (const store of open.splice(0)) await store.close();
});

/** The module on a real store in memory; each turn that it hands on is noted, and nothing runs it. */
function rig() {
  const store = createSqliteMessageStore({ path: ":memory:" });
  open.push(store);
  const handedOn: string[] = [];
  const told: string[] = [];
  let taken = 0;
  let asked = 0;
  const state = { policies: [], headers: {} } as never;
  const messages = createMessages({
    store,
    clock: manualClock(NOON),
    character: async () => ({ version: 1, isDeleted: false }),
    checkFits: async () => {},
    estimateTokens: (text) => text.length,
    limit: {
      async take() {
        taken++;
        asked++;
        return { ok: true, state, refund: async () => void taken-- };
      },
      look: async () => state,
    },
    onChange: (what) => void told.push(what),
    claimFor: () => null,
    turnAccepted: ({ turnId }) => void handedOn.push(turnId),
    placesMax: 10_000,
    openTurnsMax: 33,
  });
  return { store, messages, handedOn, told, taken: () => taken, asked: () => asked };
}

function context(idempotencyKey?: string): SignedInContext & { isReplayed: boolean } {
  return {
    isReplayed: false,
    principal: { userId: USER, role: "user", scopes: ["chat"], credential: { kind: "session", id: "s" } },
    requestId: "r",
    address: "192.0.2.1",
    ...(idempotencyKey !== undefined && { idempotencyKey }),
    newId,
    markReplayed() {
      this.isReplayed = true;
    },
    showLimit() {},
  };
}

test("a retry of a send hands its turn on again while nobody has begun it, is told of once and counts once", async () => {
  const { store, messages, handedOn, told, taken } = rig();
  const conversation_id = await makeConversation(store);
  const send = { conversation_id, content: "Hi.", client_message_id: "1" };
  const first = await messages.send(send, context());
  expect(handedOn).toEqual([first.turn?.id]);
  const again = context();
  expect(await messages.send(send, again)).toEqual(first);
  expect(again.isReplayed).toBe(true);
  expect(handedOn).toEqual([first.turn?.id, first.turn?.id]);
  expect([told, taken()]).toEqual([["message.created"], 1]);
});

test("a retry of a regeneration under its key hands its turn on again too", async () => {
  const { store, messages, handedOn } = rig();
  const conversation_id = await makeConversation(store);
  const sent = await messages.send({ conversation_id, content: "Hi." }, context());
  await answer(store, sent.turn?.id as string);
  handedOn.length = 0;
  const regenerate = () => messages.regenerate({ message_id: sent.reply?.id as string }, context("key"));
  const first = await regenerate();
  expect(await regenerate()).toEqual(first);
  expect(handedOn).toEqual([first.turn.id, first.turn.id]);
});

test("a retry of what has ended hands nothing on, and a note never does", async () => {
  const { store, messages, handedOn } = rig();
  const conversation_id = await makeConversation(store);
  const send = { conversation_id, content: "Hi.", client_message_id: "1" };
  const first = await messages.send(send, context());
  await answer(store, first.turn?.id as string);
  handedOn.length = 0;
  expect((await messages.send(send, context())).turn).toMatchObject({ status: "completed" });
  await messages.send({ conversation_id, content: "A note.", reply: false }, context());
  expect(handedOn).toEqual([]);
});

test("two sends with one client id at once are one message, one turn and one count", async () => {
  const { store, messages, handedOn, taken } = rig();
  const conversation_id = await makeConversation(store);
  const send = { conversation_id, content: "Hi.", client_message_id: "1" };
  const [one, two] = await Promise.all([messages.send(send, context()), messages.send(send, context())]);
  expect(two).toEqual(one);
  expect(new Set(handedOn)).toEqual(new Set([one.turn?.id]));
  expect(taken()).toBe(1);
});

test("two regenerations under one key at once are one turn, and the limit is asked once", async () => {
  const { store, messages, asked } = rig();
  const conversation_id = await makeConversation(store);
  const sent = await messages.send({ conversation_id, content: "Hi." }, context());
  await answer(store, sent.turn?.id as string);
  const before = asked();
  const regenerate = () => messages.regenerate({ message_id: sent.reply?.id as string }, context("key"));
  const [one, two] = await Promise.all([regenerate(), regenerate()]);
  expect(two).toEqual(one);
  expect(asked() - before).toBe(1);
});

test("a new send goes to the character of its conversation", async () => {
  const { store, messages } = rig();
  const conversation_id = await makeConversation(store);
  const { reply } = await messages.send({ conversation_id, content: "Hi." }, context());
  expect(reply).toMatchObject({ character_id: CHARACTER, status: "pending" });
});
