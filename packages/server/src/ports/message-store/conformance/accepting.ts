import { randomUUID } from "node:crypto";
import { expect, test } from "vitest";
import type { MessageStore } from "../message-store.ts";
import type { Place } from "./place.ts";
import {
  answer,
  everything,
  greeting,
  hashOf,
  makeConversation,
  NOON,
  note,
  range,
  regeneration,
  STRANGER,
  send,
  sent,
  USER,
} from "./wishes.ts";

/** What a send and a regeneration promise. */
export function acceptingTests(place: Place) {
  const existing = (store: MessageStore, conversationId: string, clientMessageId: string) =>
    store.findAccepted(conversationId, { clientMessageId, requestKey: null });

  test("a send takes two places, its own and its reply's, and a note one; all in contract form", async () => {
    const { store } = place;
    const id = await makeConversation(store);
    const wish = send(id, "Hello", { message: { clientMessageId: "c1", metadata: { a: 1 } } });
    const { message, reply, turn } = await sent(store, wish);
    const time = new Date(NOON).toISOString();
    expect(message).toEqual({
      id: wish.message.id,
      conversation_id: id,
      seq: 1,
      parent_id: null,
      role: "user",
      user_id: USER,
      content: "Hello",
      status: "complete",
      turn_id: turn.id,
      client_message_id: "c1",
      token_count: 2,
      siblings: { index: 0, count: 1 },
      metadata: { a: 1 },
      created_at: time,
    });
    expect(reply).toEqual({
      id: wish.turn?.replyId,
      conversation_id: id,
      seq: 2,
      parent_id: message.id,
      role: "assistant",
      character_id: wish.turn?.characterId,
      content: "",
      status: "pending",
      turn_id: turn.id,
      token_count: 0,
      siblings: { index: 0, count: 1 },
      metadata: {},
      created_at: time,
    });
    expect(turn).toEqual({
      id: wish.turn?.id,
      conversation_id: id,
      message_id: message.id,
      reply_id: reply.id,
      status: "queued",
      character_version: 1,
      created_at: time,
    });
    const noted = await store.accept(note(id, "Noted"));
    expect(noted).toMatchObject({ kind: "accepted", reply: null, turn: null, message: { seq: 3 } });
    expect(await store.message(message.id, USER)).toEqual(message);
    expect(await store.message(reply.id, USER)).toEqual(reply);
    expect(await store.turn(turn.id, USER)).toEqual(turn);
  });

  test("64 senders at once get places without holes, and each sees its own message (I5)", async () => {
    const { store } = place;
    const id = await makeConversation(store);
    const seqs: number[] = [];
    await Promise.all(
      range(64).map(async (sender) => {
        for (const n of range(4)) {
          const wish = sender % 2 === 0 ? send(id, `${sender}.${n}`) : note(id, `${sender}.${n}`);
          const taken = await store.accept({ ...wish, openTurnsMax: 1_000 });
          if (taken.kind !== "accepted") throw new Error(taken.kind);
          seqs.push(taken.message.seq, ...(taken.reply ? [taken.reply.seq] : []));
          expect((await store.message(taken.message.id, USER))?.content).toBe(`${sender}.${n}`);
        }
      }),
    );
    const all = await everything(store, id);
    expect(all.map(({ seq }) => seq)).toEqual(range(384).map((n) => n + 1));
    expect(seqs.toSorted((a, b) => a - b)).toEqual(all.map(({ seq }) => seq));
  });

  test("a send acknowledged before another is made gets the lower seq (I5)", async () => {
    const { store } = place;
    const id = await makeConversation(store);
    let last = 0;
    for (const n of range(10)) {
      const { message, reply } = await sent(store, send(id, `${n}`));
      expect(message.seq).toBeGreaterThan(last);
      last = reply.seq;
    }
  });

  test("retries of one client id at once make one message and one turn (I2)", async () => {
    const { store } = place;
    const id = await makeConversation(store);
    const retries = range(20).map(() => send(id, "Once", { message: { clientMessageId: "same" } }));
    const results = await Promise.all(retries.map((retry) => store.accept(retry)));
    expect(results.filter(({ kind }) => kind === "accepted")).toHaveLength(1);
    expect(results.filter(({ kind }) => kind === "existing")).toHaveLength(19);
    const ids = results.map((one) => ("turn" in one ? [one.message.id, one.reply?.id, one.turn?.id] : []));
    expect(new Set(ids.map(String)).size).toBe(1);
    expect(await everything(store, id)).toHaveLength(2);
  });

  test("a client id is free in another conversation, and known in its own for ever, deletion included", async () => {
    const { store } = place;
    const [one, two] = [await makeConversation(store), await makeConversation(store)];
    const wish = (id: string) => note(id, "Hi", { message: { clientMessageId: "c" } });
    await store.accept(wish(one));
    expect((await store.accept(wish(two))).kind).toBe("accepted");
    const known = await existing(store, one, "c");
    await store.deleteMessage(known?.message.id as string, USER, NOON);
    const again = await store.accept(wish(one));
    expect(again).toMatchObject({ kind: "existing", contentHash: hashOf("Hi"), message: { content: "" } });
  });

  test("the client id wins over the request key, and each finds what it made, as it is now", async () => {
    const { store } = place;
    const id = await makeConversation(store);
    const first = await sent(store, send(id, "1", { message: { clientMessageId: "c1", requestKey: "k1" } }));
    const second = await sent(store, send(id, "2", { message: { clientMessageId: "c2", requestKey: "k2" } }));
    await answer(store, first.turn.id, "Answered.");
    const find = async (clientMessageId: string | null, requestKey: string | null) =>
      store.findAccepted(id, { clientMessageId, requestKey });
    expect((await find("c1", "k2"))?.message.id).toBe(first.message.id);
    expect((await find(null, "k2"))?.message.id).toBe(second.message.id);
    expect((await find("new", "k2"))?.message.id).toBe(second.message.id);
    expect(await find("new", "new")).toBeNull();
    expect(await find("c1", null)).toMatchObject({
      contentHash: hashOf("1"),
      reply: { id: first.reply.id, content: "Answered.", status: "complete" },
      turn: { id: first.turn.id, status: "completed" },
    });
    const byKey = await store.accept(send(id, "3", { message: { requestKey: "k1" } }));
    expect(byKey).toMatchObject({ kind: "existing", message: { id: first.message.id } });
  });

  test("a retry is known before every other check: full, busy, a parent that is not there", async () => {
    const { store } = place;
    const id = await makeConversation(store);
    const wish = send(id, "Hi", { message: { clientMessageId: "c" } });
    await store.accept(wish);
    const retry = { ...wish, parentId: randomUUID(), placesMax: 0, openTurnsMax: 0 };
    expect((await store.accept(retry)).kind).toBe("existing");
  });

  test("the parent is the head, none, or the one named; another conversation's is no_parent", async () => {
    const { store } = place;
    const id = await makeConversation(store, { greeting: greeting() });
    const [hello] = await everything(store, id);
    const first = await sent(store, send(id, "1"));
    expect(first.message.parent_id).toBe(hello?.id);
    await answer(store, first.turn.id);
    const second = await sent(store, send(id, "2"));
    expect(second.message.parent_id).toBe(first.reply.id);
    const edit = await store.accept(note(id, "1, edited", { parentId: hello?.id as string }));
    expect(edit).toMatchObject({ message: { parent_id: hello?.id, siblings: { index: 1, count: 2 } } });
    expect(await store.message(first.message.id, USER)).toMatchObject({ siblings: { index: 0, count: 2 } });
    const root = await store.accept(note(id, "root", { parentId: null }));
    expect(root).toMatchObject({ message: { parent_id: null, siblings: { index: 1, count: 2 } } });
    const onDeleted = await store.deleteMessage(hello?.id as string, USER, NOON);
    expect(onDeleted).toBe("deleted");
    expect((await store.accept(note(id, "x", { parentId: hello?.id as string }))).kind).toBe("accepted");
    const elsewhere = await store.accept(note(await makeConversation(store), "elsewhere"));
    const foreign = "message" in elsewhere ? elsewhere.message.id : "";
    for (const parentId of [foreign, randomUUID()]) {
      expect(await store.accept(note(id, "x", { parentId }))).toEqual({ kind: "no_parent" });
    }
  });

  test("a conversation takes no send that needs more places than are left", async () => {
    const { store } = place;
    const id = await makeConversation(store);
    const { reply, turn } = await sent(store, send(id, "1", { placesMax: 3 }));
    expect(await store.accept(send(id, "2", { placesMax: 3 }))).toEqual({ kind: "full" });
    expect((await store.accept(note(id, "3", { placesMax: 3 }))).kind).toBe("accepted");
    expect(await store.accept(note(id, "4", { placesMax: 3 }))).toEqual({ kind: "full" });
    await answer(store, turn.id);
    const again = { ...regeneration(reply.id), placesMax: 3 };
    expect(await store.acceptRegeneration(again)).toEqual({ kind: "full" });
  });

  test("beyond the turns that may be open a send is busy; notes and ended turns do not count", async () => {
    const { store } = place;
    const id = await makeConversation(store);
    const wish = () => send(id, "Hi", { openTurnsMax: 2 });
    const first = await sent(store, wish());
    await sent(store, wish());
    expect(await store.accept(wish())).toEqual({ kind: "busy" });
    expect((await store.accept({ ...wish(), turn: null })).kind).toBe("accepted");
    await answer(store, first.turn.id);
    expect((await store.accept(wish())).kind).toBe("accepted");
    const again = { ...regeneration(first.reply.id), openTurnsMax: 2 };
    expect(await store.acceptRegeneration(again)).toEqual({ kind: "busy" });
  });

  test("at most the allowed turns open under many sends at once", async () => {
    const { store } = place;
    const id = await makeConversation(store);
    const wishes = range(20).map(() => store.accept(send(id, "Hi", { openTurnsMax: 5 })));
    const kinds = (await Promise.all(wishes)).map(({ kind }) => kind);
    expect(kinds.filter((kind) => kind === "accepted")).toHaveLength(5);
    expect(kinds.filter((kind) => kind === "busy")).toHaveLength(15);
  });

  test("another's, a deleted and an unknown conversation are not found, whatever is asked", async () => {
    const { store } = place;
    const id = await makeConversation(store);
    const { message } = await sent(store, send(id, "Hi", { message: { clientMessageId: "c" } }));
    const foreign = { ...send(id), userId: STRANGER };
    expect(await store.accept(foreign)).toEqual({ kind: "not_found" });
    expect(await store.acceptRegeneration({ ...regeneration(message.id), userId: STRANGER })).toEqual({
      kind: "not_found",
    });
    expect(await store.accept(send(randomUUID()))).toEqual({ kind: "not_found" });
    await store.deleteConversation(id, USER, NOON);
    expect(await store.accept(send(id))).toEqual({ kind: "not_found" });
    expect(await store.acceptRegeneration(regeneration(message.id))).toEqual({ kind: "not_found" });
    expect(await existing(store, id, "c")).toBeNull();
  });

  test("a regeneration stands beside the reply, answers the same message, and is the head", async () => {
    const { store } = place;
    const id = await makeConversation(store);
    const { message, reply, turn } = await sent(store, send(id, "Hi"));
    await answer(store, turn.id, "First.");
    const again = await store.acceptRegeneration(regeneration(reply.id));
    expect(again).toMatchObject({
      kind: "accepted",
      reply: { seq: 3, parent_id: message.id, status: "pending", siblings: { index: 1, count: 2 } },
      turn: { message_id: message.id, status: "queued" },
    });
    if (again.kind !== "accepted") throw new Error(again.kind);
    await answer(store, again.turn.id, "Second.");
    expect((await store.message(reply.id, USER))?.content).toBe("First.");
    expect((await store.conversation(id, USER))?.head_id).toBe(again.reply.id);
    const ofMessage = await store.acceptRegeneration(regeneration(message.id));
    expect(ofMessage).toMatchObject({ reply: { seq: 4, siblings: { index: 2, count: 3 } } });
    const third = await store.acceptRegeneration(regeneration(again.reply.id));
    expect(third).toMatchObject({
      reply: { seq: 5, parent_id: message.id },
      turn: { message_id: message.id },
    });
  });

  test("a note can be answered later by regenerating it", async () => {
    const { store } = place;
    const id = await makeConversation(store);
    const noted = await store.accept(note(id, "Hi"));
    const messageId = "message" in noted ? noted.message.id : "";
    const asked = await store.acceptRegeneration(regeneration(messageId));
    expect(asked).toMatchObject({
      reply: { seq: 2, parent_id: messageId, siblings: { index: 0, count: 1 } },
    });
  });

  test("a greeting and what is deleted are not regenerable, what runs is in flight", async () => {
    const { store } = place;
    const id = await makeConversation(store, { greeting: greeting() });
    const [hello] = await everything(store, id);
    expect(await store.acceptRegeneration(regeneration(hello?.id as string))).toEqual({
      kind: "not_regenerable",
    });
    const { message, reply, turn } = await sent(store, send(id, "Hi"));
    expect(await store.acceptRegeneration(regeneration(reply.id))).toEqual({ kind: "in_flight" });
    expect(await store.acceptRegeneration(regeneration(message.id))).toEqual({ kind: "in_flight" });
    await answer(store, turn.id);
    await store.deleteMessage(reply.id, USER, NOON);
    expect(await store.acceptRegeneration(regeneration(reply.id))).toEqual({ kind: "not_regenerable" });
    expect((await store.acceptRegeneration(regeneration(message.id))).kind).toBe("accepted");
  });

  test("a regeneration repeated with its request key is the same one", async () => {
    const { store } = place;
    const id = await makeConversation(store);
    const { message, reply, turn } = await sent(store, send(id, "Hi"));
    await answer(store, turn.id);
    const wishes = range(8).map(() => store.acceptRegeneration(regeneration(reply.id, "key")));
    const results = await Promise.all(wishes);
    expect(results.map(({ kind }) => kind).toSorted()).toEqual(["accepted", ...Array(7).fill("existing")]);
    expect(new Set(results.map((one) => ("turn" in one ? one.turn.id : ""))).size).toBe(1);
    const found = await store.findAccepted(id, { clientMessageId: null, requestKey: "key" });
    expect(found?.message.id).toBe(message.id);
    expect(found?.reply?.seq).toBe(3);
  });
}
