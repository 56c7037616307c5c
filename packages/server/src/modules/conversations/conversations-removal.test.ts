import type { SignedInContext } from "@parley-chat/sdk/contract";
import { Problem } from "@parley-chat/sdk/contract/problem";
import { afterEach, expect, test } from "vitest";
import { manualClock } from "../../kit/clock.ts";
import { newId } from "../../kit/ids.ts";
import {
  CHARACTER,
  greeting,
  makeConversation,
  NOON,
  range,
  STRANGER,
  send,
  sent,
  USER,
} from "../../ports/message-store/conformance/wishes.ts";
import type { MessageStore } from "../../ports/message-store/message-store.ts";
import { createSqliteMessageStore } from "../../ports/message-store/sqlite.ts";
import { createConversations } from "./conversations.ts";

const open: MessageStore[] = [];
afterEach(async () => {
  for (const store of open.splice(0)) await store.close();
});

/** The module on a real store in memory; which turns it has stopped is noted. */
function rig(stopTurn: (turnId: string) => void = () => {}) {
  const store = createSqliteMessageStore({ path: ":memory:" });
  open.push(store);
  const stopped: string[] = [];
  const told: string[] = [];
  const conversations = createConversations({
    store,
    clock: manualClock(NOON),
    greeter: async (id) => ({ id, name: "Echo", greeting: () => greeting().content }),
    displayName: async () => "Ann",
    estimateTokens: (text) => text.length,
    onChange: (what) => void told.push(what),
    forgetAnswers: async () => {},
    async stopTurns(_, turnIds) {
      for (const turnId of turnIds) stopTurn(turnId);
      stopped.push(...turnIds);
    },
  });
  return { store, conversations, stopped, told };
}

const as = (userId: string): SignedInContext => ({
  principal: { userId, role: "user", scopes: ["chat"], credential: { kind: "session", id: "s" } },
  requestId: "r",
  address: "192.0.2.1",
  newId,
  markReplayed() {},
  showLimit() {},
});

test("a deletion stops every turn that has not ended, and a repeat is no error", async () => {
  const { store, conversations, stopped } = rig();
  const conversation_id = await makeConversation(store);
  const first = await sent(store, send(conversation_id));
  const second = await sent(store, send(conversation_id));
  await conversations.remove({ conversation_id }, as(USER));
  expect(stopped).toEqual([first.turn.id, second.turn.id]);
  await conversations.remove({ conversation_id }, as(USER));
  await expect(conversations.get({ conversation_id }, as(USER))).rejects.toMatchObject({ code: "not_found" });
});

test("a deletion is told of once it is stored, even where its turns cannot be stopped", async () => {
  const { store, conversations, told } = rig(() => {
    throw new Problem("storage_unavailable", undefined, { retryAfterS: 1 });
  });
  const conversation_id = await makeConversation(store);
  await sent(store, send(conversation_id));
  const removal = () => conversations.remove({ conversation_id }, as(USER));
  await expect(removal()).rejects.toMatchObject({ code: "storage_unavailable" });
  expect(told).toEqual(["deleted"]);
  await expect(removal()).rejects.toMatchObject({ code: "storage_unavailable" });
  expect(told).toEqual(["deleted"]);
});

test("another's conversation is not there to be deleted, and nothing in it is stopped", async () => {
  const { store, conversations, stopped, told } = rig();
  const conversation_id = await makeConversation(store);
  await sent(store, send(conversation_id));
  const removal = conversations.remove({ conversation_id }, as(STRANGER));
  await expect(removal).rejects.toMatchObject({ code: "not_found" });
  expect([stopped, told]).toEqual([[], []]);
  expect(await conversations.get({ conversation_id }, as(USER))).toMatchObject({ id: conversation_id });
});

test("erasing a user's conversations reaches every page of them, and nobody else's", async () => {
  const { store, conversations } = rig();
  for (const _ of range(250)) await makeConversation(store);
  const others = await makeConversation(store, { userId: STRANGER });
  await conversations.eraseOwnedBy(USER);
  expect((await conversations.list({}, as(USER))).items).toEqual([]);
  expect(await conversations.get({ conversation_id: others }, as(STRANGER))).toMatchObject({ id: others });
});

test("a creation that is repeated with its id makes one conversation with one greeting", async () => {
  const { store, conversations } = rig();
  const id = newId();
  const create = () => conversations.create({ character_ids: [CHARACTER] }, { ...as(USER), newId: () => id });
  const first = await create();
  expect(await create()).toEqual(first);
  const page = await store.page({
    conversationId: id,
    branch: "all",
    beforeSeq: null,
    afterSeq: null,
    limit: 10,
  });
  expect(page.items.map(({ content }) => content)).toEqual([greeting().content]);
});
