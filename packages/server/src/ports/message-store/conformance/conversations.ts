import { randomUUID } from "node:crypto";
import { expect, test } from "vitest";
import type { Place } from "./place.ts";
import {
  answer,
  CHARACTER,
  claimOf,
  everything,
  greeting,
  makeConversation,
  NOON,
  newConversation,
  note,
  openTurns,
  outcome,
  range,
  STRANGER,
  send,
  sent,
  USER,
} from "./wishes.ts";

/** What conversations, lists and deletion promise. */
export function conversationTests(place: Place) {
  test("a conversation is given back in contract form, its greeting as seq 1", async () => {
    const { store } = place;
    const hello = greeting("Well met.");
    const input = newConversation({
      settings: { temperature: 0.5 },
      metadata: { color: "red" },
      tags: ["a", "b"],
      greeting: hello,
    });
    const { conversation, isNew } = await store.createConversation(input);
    expect(isNew).toBe(true);
    const time = new Date(NOON).toISOString();
    expect(conversation).toEqual({
      id: input.id,
      title: "A talk",
      status: "active",
      character_ids: [CHARACTER],
      head_id: hello.id,
      active_turn_id: null,
      message_count: 1,
      last_read_seq: 0,
      settings: { temperature: 0.5 },
      metadata: { color: "red" },
      tags: ["a", "b"],
      created_at: time,
      updated_at: time,
    });
    expect(await store.conversation(input.id, USER)).toEqual(conversation);
    expect(await everything(store, input.id)).toEqual([
      {
        id: hello.id,
        conversation_id: input.id,
        seq: 1,
        parent_id: null,
        role: "assistant",
        character_id: CHARACTER,
        content: "Well met.",
        status: "complete",
        token_count: 3,
        siblings: { index: 0, count: 1 },
        metadata: {},
        created_at: time,
      },
    ]);
    expect(await store.sendTarget(input.id, USER)).toEqual({
      conversationId: input.id,
      characterId: CHARACTER,
      settings: { temperature: 0.5 },
    });
  });

  test("creating again gives what is there, also at once", async () => {
    const { store } = place;
    const input = newConversation({ greeting: greeting() });
    const made = await Promise.all(range(4).map(() => store.createConversation(input)));
    expect(made.map(({ isNew }) => isNew).toSorted()).toEqual([false, false, false, true]);
    const again = await store.createConversation({ ...input, title: "Another" });
    expect(again).toMatchObject({ isNew: false, conversation: { title: "A talk" } });
    expect(await everything(store, input.id)).toHaveLength(1);
    await expect(store.createConversation({ ...input, userId: STRANGER })).rejects.toThrow();
  });

  test("creating again what was deleted makes nothing and shows nothing", async () => {
    const { store } = place;
    const input = newConversation({ greeting: greeting() });
    await store.createConversation(input);
    await store.deleteConversation(input.id, input.userId, NOON);
    await expect(store.createConversation(input)).rejects.toMatchObject({ code: "not_found" });
    expect(await store.conversation(input.id, input.userId)).toBeNull();
  });

  test("what is another's, or in a deleted conversation, reads as missing", async () => {
    const { store } = place;
    const id = await makeConversation(store);
    const { message, turn } = await sent(store, send(id, "Hi"));
    const whatIsSeen = async (userId: string) => [
      await store.conversation(id, userId),
      await store.sendTarget(id, userId),
      await store.message(message.id, userId),
      await store.turn(turn.id, userId),
      await store.turnState(turn.id, userId),
      await store.requestStop(turn.id, userId, NOON),
    ];
    expect((await whatIsSeen(USER)).every((one) => one !== null)).toBe(true);
    expect((await whatIsSeen(STRANGER)).every((one) => one === null)).toBe(true);
    expect(await store.updateConversation(id, STRANGER, { title: "Mine" }, NOON)).toBe("not_found");
    expect(await store.deleteMessage(message.id, STRANGER, NOON)).toBe("not_found");
    expect(await store.deleteConversation(id, STRANGER, NOON)).toEqual({ wasThere: false, openTurnIds: [] });

    expect(await store.deleteConversation(id, USER, NOON)).toEqual({
      wasThere: true,
      openTurnIds: [turn.id],
    });
    expect((await store.deleteConversation(id, USER, NOON)).wasThere).toBe(true);
    expect((await whatIsSeen(USER)).every((one) => one === null)).toBe(true);
    expect(await store.updateConversation(id, USER, { title: "Mine" }, NOON)).toBe("not_found");
    expect(await store.deleteMessage(message.id, USER, NOON)).toBe("not_found");
    expect(await store.activeTurnId(id)).toBeNull();
    expect(await everything(store, id)).toEqual([]);
    expect(await store.listConversations({ userId: USER, limit: 10, cursor: null })).toEqual({
      items: [],
      nextCursor: null,
    });
    const context = { conversationId: id, leafSeq: 2, tokensMax: 1_000, messageOverheadTokens: 0 };
    expect((await store.context(context)).messages).toEqual([]);
  });

  test("turns of a deleted conversation are told as such, can be ended, and their text is gone", async () => {
    const { store } = place;
    const id = await makeConversation(store, { greeting: greeting("Secret greeting") });
    const { turn, message } = await sent(store, send(id, "Secret question"));
    const claim = await store.claim(claimOf(turn.id));
    await store.deleteConversation(id, USER, NOON);
    expect(await openTurns(store)).toMatchObject([{ turnId: turn.id }]);
    const reclaimed = await store.claim(claimOf(turn.id, { owner: "next", countsAsAttempt: false }));
    expect(reclaimed).toMatchObject({ isConversationDeleted: true, attempts: 1 });
    expect(claim?.epoch).toBeLessThan(reclaimed?.epoch as number);
    const empty = async () => {
      while ((await store.repair()).hasMore);
    };
    await empty();
    const ended = await store.complete(turn.id, reclaimed?.epoch as number, outcome("A whole secret"));
    expect(ended).toMatchObject({ kind: "stored", turn: { status: "stopped" }, reply: { content: "" } });
    expect(await openTurns(store)).toEqual([]);
    await empty();
    const state = await store.turnState(turn.id, null);
    expect(state?.message).toMatchObject({ id: message.id, content: "" });
    expect(state?.reply).toMatchObject({ content: "" });
  });

  test("repair empties a long deleted conversation piece by piece, and then has no more", async () => {
    const { store } = place;
    const id = await makeConversation(store);
    const { turn } = await sent(store, send(id, "Secret"));
    await answer(store, turn.id, "Secret too");
    await Promise.all(range(450).map((n) => store.accept(note(id, `Secret ${n}`))));
    await store.deleteConversation(id, USER, NOON);
    let pieces = 0;
    for (let hasMore = true; hasMore && pieces < 100; pieces++) ({ hasMore } = await store.repair());
    expect(pieces).toBeGreaterThan(1);
    expect(pieces).toBeLessThan(100);
    expect((await store.turnState(turn.id, null))?.reply.content).toBe("");
    expect(await store.repair()).toEqual({ repliesRecreated: 0, hasMore: false });
  });

  test("fields change one by one, and what is not named stays", async () => {
    const { store } = place;
    const id = await makeConversation(store, { metadata: { a: 1 }, tags: ["x"] });
    await store.accept(note(id));
    const later = NOON + 5_000;
    expect(await store.updateConversation(id, USER, { title: "New" }, later)).toMatchObject({
      title: "New",
      status: "active",
      metadata: { a: 1 },
      tags: ["x"],
      updated_at: new Date(later).toISOString(),
    });
    const changes = {
      status: "archived",
      settings: { seed: 1 },
      metadata: {},
      tags: [],
      lastReadSeq: 1,
    } as const;
    const changed = await store.updateConversation(id, USER, { ...changes, tags: [] }, later);
    expect(changed).toMatchObject({
      title: "New",
      status: "archived",
      settings: { seed: 1 },
      metadata: {},
      tags: [],
      last_read_seq: 1,
    });
    const reopened = await place.reopen();
    expect(await reopened.conversation(id, USER)).toEqual(changed);
    const unread = await reopened.updateConversation(id, USER, { lastReadSeq: 99 }, later);
    expect(unread, "no further than the newest").toMatchObject({ last_read_seq: 1 });
  });

  test("a head is chosen as the newest leaf below the named message, until something newer is stored", async () => {
    const { store } = place;
    const id = await makeConversation(store, { greeting: greeting() });
    const [hello] = await everything(store, id);
    const first = await sent(store, send(id, "1"));
    await answer(store, first.turn.id);
    const second = await sent(store, send(id, "2"));
    await answer(store, second.turn.id);
    const edit = await sent(store, send(id, "1, edited", { parentId: hello?.id as string }));
    await answer(store, edit.turn.id);
    const headAfter = async (headId: string) => {
      const changed = await store.updateConversation(id, USER, { headId }, NOON);
      return typeof changed === "string" ? changed : changed.head_id;
    };
    expect(await headAfter(first.message.id)).toBe(second.reply.id);
    expect(await headAfter(edit.message.id)).toBe(edit.reply.id);
    expect(await headAfter(hello?.id as string)).toBe(edit.reply.id);
    expect(await headAfter(second.message.id)).toBe(second.reply.id);
    expect(await headAfter(randomUUID())).toBe("no_message");
    const reopened = await place.reopen();
    expect((await reopened.conversation(id, USER))?.head_id).toBe(second.reply.id);
    const third = await sent(reopened, send(id, "3"));
    expect(third.message.parent_id).toBe(second.reply.id);
    expect((await reopened.conversation(id, USER))?.head_id).toBe(third.reply.id);
  });

  test("lists run by last activity, newest first, and pages hold everything once", async () => {
    const { store } = place;
    const ids: string[] = [];
    for (const n of range(7)) ids.push(await makeConversation(store, { at: NOON + n }));
    await makeConversation(store, { userId: STRANGER });
    await store.accept(note(ids[2] as string, "Hi", { at: NOON + 100 }));
    await store.deleteConversation(ids[5] as string, USER, NOON + 200);
    const seen: string[] = [];
    for (let cursor: string | null = null, pages = 0; pages < 10; pages++) {
      const page = await store.listConversations({ userId: USER, limit: 2, cursor });
      expect(page.items.length).toBeLessThanOrEqual(2);
      seen.push(...page.items.map(({ id }) => id));
      cursor = page.nextCursor;
      if (cursor === null) break;
    }
    expect(seen).toEqual([2, 6, 4, 3, 1, 0].map((n) => ids[n]));
    const malformed = store.listConversations({ userId: USER, limit: 2, cursor: "%%%" });
    await expect(malformed).rejects.toMatchObject({ code: "invalid_cursor" });
  });

  test("a deleted message keeps its place and loses its text; what runs cannot be deleted (I15)", async () => {
    const { store } = place;
    const id = await makeConversation(store);
    const { message, reply, turn } = await sent(
      store,
      send(id, "Secret", { message: { metadata: { a: 1 } } }),
    );
    expect(await store.deleteMessage(message.id, USER, NOON)).toBe("in_flight");
    expect(await store.deleteMessage(reply.id, USER, NOON)).toBe("in_flight");
    await answer(store, turn.id);
    expect(await store.deleteMessage(message.id, USER, NOON + 9)).toBe("deleted");
    expect(await store.deleteMessage(message.id, USER, NOON + 99)).toBe("deleted");
    expect(await store.message(message.id, USER)).toMatchObject({
      seq: 1,
      content: "",
      metadata: {},
      status: "complete",
      deleted_at: new Date(NOON + 9).toISOString(),
    });
    expect((await store.conversation(id, USER))?.message_count).toBe(2);
    expect(await store.deleteMessage(randomUUID(), USER, NOON)).toBe("not_found");
  });

  test("a probe writes, and a closed store refuses to", async () => {
    await place.store.probe();
    await place.store.close();
    await expect(place.store.probe()).rejects.toMatchObject({ code: "storage_unavailable" });
    await place.reopen();
    await place.store.probe();
  });
}
