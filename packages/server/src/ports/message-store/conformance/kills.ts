import type { Message } from "@parley-chat/sdk/contract";
import { expect, test } from "vitest";
import { openMessageStore } from "../index.ts";
import type { Claim, MessageStore } from "../message-store.ts";
import type { FreshPlace } from "./place.ts";
import {
  answer,
  claimOf,
  everything,
  greeting,
  hashOf,
  NOON,
  newConversation,
  note,
  openTurns,
  outcome,
  regeneration,
  send,
  sent,
  USER,
} from "./wishes.ts";

/** An operation that a kill may cut: what is there before, and the call, the same when it is repeated. */
interface Operation {
  name: string;
  /** Done on a fresh store; gives the call. */
  prepare(store: MessageStore): Promise<(store: MessageStore) => Promise<unknown>>;
  /** The conversation that it is about. */
  conversationId: string;
}

/** The same conversation for every operation: a greeting, an answered send, one that waits. */
async function story() {
  const conversation = newConversation({ greeting: greeting() });
  const id = conversation.id;
  const first = send(id, "First", { message: { clientMessageId: "c1" } });
  const second = send(id, "Second", { message: { clientMessageId: "c2" } });
  return {
    conversation,
    first,
    second,
    async tell(store: MessageStore) {
      await store.createConversation(conversation);
      const { turn } = await sent(store, first);
      await answer(store, turn.id, "Answer");
      await sent(store, second);
    },
  };
}

async function operations(): Promise<Operation[]> {
  const { conversation, first, second, tell } = await story();
  const id = conversation.id;
  const turnOf = (wish: typeof first) => wish.turn as NonNullable<typeof first.turn>;
  const after = (call: (store: MessageStore) => Promise<unknown>) => async (store: MessageStore) => {
    await tell(store);
    return call;
  };
  const third = send(id, "Third", { message: { clientMessageId: "c3", requestKey: "k3" } });
  const edit = send(id, "Edit", {
    parentId: conversation.greeting?.id as string,
    message: { requestKey: "ke" },
  });
  const noted = note(id, "Noted", { message: { clientMessageId: "c4" } });
  const again = regeneration(turnOf(first).replyId, "kr");
  const claim = claimOf(turnOf(second).id, { owner: "first" });
  const attempt = (epoch: number) => ({
    epoch,
    provider: "p",
    model: "m",
    promptTokens: 1,
    completionTokens: 1,
    startedAt: NOON,
    firstTextAt: NOON,
    endedAt: NOON,
    error: null,
  });
  const made = (name: string, prepare: Operation["prepare"]): Operation => ({
    name,
    prepare,
    conversationId: id,
  });
  return [
    made("createConversation", async () => (store) => store.createConversation(conversation)),
    made(
      "accept of a send",
      after((store) => store.accept(third)),
    ),
    made(
      "accept of an edit",
      after((store) => store.accept(edit)),
    ),
    made(
      "accept of a note",
      after((store) => store.accept(noted)),
    ),
    made(
      "acceptRegeneration",
      after((store) => store.acceptRegeneration(again)),
    ),
    made(
      "updateConversation",
      after((store) => {
        const changes = { title: "New", headId: first.message.id, lastReadSeq: 3, tags: ["a"] };
        return store.updateConversation(id, USER, changes, NOON + 5);
      }),
    ),
    made(
      "deleteMessage",
      after((store) => store.deleteMessage(first.message.id, USER, NOON)),
    ),
    made(
      "deleteConversation",
      after((store) => store.deleteConversation(id, USER, NOON)),
    ),
    made(
      "requestStop",
      after((store) => store.requestStop(turnOf(second).id, USER, NOON)),
    ),
    made("renew", async (store) => {
      await tell(store);
      const { epoch } = (await store.claim(claim)) as Claim;
      return (it) => it.renew([{ turnId: turnOf(second).id, epoch }], NOON + 60_000);
    }),
    made("complete", async (store) => {
      await tell(store);
      const { epoch } = (await store.claim(claim)) as Claim;
      const done = outcome("Done.", { attempts: [attempt(epoch), attempt(epoch + 1)] });
      return (it) => it.complete(turnOf(second).id, epoch, done);
    }),
    made("repair of a deleted conversation", async (store) => {
      await tell(store);
      await store.deleteConversation(id, USER, NOON);
      return async (it) => {
        while ((await it.repair()).hasMore);
      };
    }),
  ];
}

/** All that a reader can ask about a conversation, as one value. */
async function snapshot(store: MessageStore, id: string) {
  const messages = await everything(store, id);
  const turnIds = new Set(messages.flatMap(({ turn_id }) => turn_id ?? []));
  return {
    conversation: await store.conversation(id, USER),
    messages,
    turns: await Promise.all([...turnIds].map((turnId) => store.turnState(turnId, USER))),
    open: await openTurns(store),
    listed: (await store.listConversations({ userId: USER, limit: 10, cursor: null })).items,
  };
}

/** What holds at every moment, cut calls or not. */
async function checkPromises(store: MessageStore, id: string) {
  const { conversation, messages, turns, open } = await snapshot(store, id);
  if (!conversation) {
    expect(messages).toEqual([]);
    return;
  }
  expect(
    messages.map(({ seq }) => seq),
    "no holes (I5)",
  ).toEqual(messages.map((_, n) => n + 1));
  expect(conversation.message_count).toBe(messages.length);
  expect(messages.map((message) => message.id)).toContain(conversation.head_id);
  const byId = new Map<string | null, Message>(messages.map((message) => [message.id, message]));
  for (const message of messages) {
    if (message.parent_id !== null) expect(byId.get(message.parent_id)?.seq).toBeLessThan(message.seq);
    expect(await store.message(message.id, USER)).toEqual(message);
    if (message.role === "user" && message.turn_id) {
      expect(messages[message.seq], "a send has its reply right above (I3)").toMatchObject({
        parent_id: message.id,
        turn_id: message.turn_id,
      });
    }
  }
  const clientIds = messages.flatMap(({ client_message_id }) => client_message_id ?? []);
  expect(new Set(clientIds).size, "one message per client id (I2)").toBe(clientIds.length);
  const pending = messages.filter(({ status }) => status === "pending");
  expect(
    open.map(({ turnId }) => turnId),
    "nobody is forgotten (I4)",
  ).toEqual(pending.map(({ turn_id }) => turn_id));
  for (const state of turns) {
    expect(state?.turn.ended_at === undefined, "a turn ends with its reply").toBe(
      state?.reply.status === "pending",
    );
  }
}

/** That a kill behind any step of any operation loses and doubles nothing. */
export function killTests(freshPlace: FreshPlace) {
  /** Runs `call`, killed behind its step number `killedAt`, and tells the steps that were done. */
  async function killedRun(operation: Operation, killedAt: number) {
    const settings = freshPlace();
    const calm = await openMessageStore(settings);
    const call = await operation.prepare(calm);
    const before = await snapshot(calm, operation.conversationId);
    await calm.close();
    const steps: string[] = [];
    const onStep = (name: string) => {
      // Whoever is dead does nothing more, so every later step dies too.
      steps.push(name);
      if (steps.length >= killedAt) throw new Error(`killed behind ${name}`);
    };
    const doomed = await openMessageStore({ ...settings, onStep });
    const result = await call(doomed).then(
      () => "done" as const,
      () => "killed" as const,
    );
    await doomed.close();
    const store = await openMessageStore(settings);
    return { call, before, result, steps, store, settings };
  }

  const names = [
    "createConversation",
    "accept of a send",
    "accept of an edit",
    "accept of a note",
    "acceptRegeneration",
    "updateConversation",
    "deleteMessage",
    "deleteConversation",
    "requestStop",
    "renew",
    "complete",
    "repair of a deleted conversation",
  ];
  const operationCalled = async (name: string) => {
    const found = (await operations()).find((operation) => operation.name === name);
    if (!found) throw new Error(`no operation ${name}`);
    return found;
  };

  test("every operation of the list is tried", async () => {
    expect((await operations()).map(({ name }) => name)).toEqual(names);
  });

  for (const name of names) {
    test(`${name}: killed behind any of its steps, the promises hold and a repeat makes it whole`, async () => {
      const operation = await operationCalled(name);
      const whole = await killedRun(operation, Number.POSITIVE_INFINITY);
      const { steps } = whole;
      expect(whole.result).toBe("done");
      expect(steps.length).toBeGreaterThan(0);
      const expected = await snapshot(whole.store, operation.conversationId);
      await whole.store.close();

      for (const [n, stepName] of steps.entries()) {
        for (const isRepairedFirst of [false, true]) {
          const cut = await killedRun(operation, n + 1);
          const where = `killed behind ${n + 1}: ${stepName}${isRepairedFirst ? ", repaired" : ""}`;
          expect(cut.result, where).toBe("killed");
          await checkPromises(cut.store, operation.conversationId);
          if (isRepairedFirst) {
            await cut.store.repair();
            await checkPromises(cut.store, operation.conversationId);
          }
          await cut.call(cut.store);
          expect(await snapshot(cut.store, operation.conversationId), where).toEqual(expected);
          await cut.store.close();
        }
      }
    });
  }

  test("a send that was cut stays unseen or is whole, also for who sends next instead of repeating it", async () => {
    const operation = await operationCalled("accept of a send");
    const { steps, store: spare } = await killedRun(operation, Number.POSITIVE_INFINITY);
    await spare.close();
    for (const n of steps.keys()) {
      const { store } = await killedRun(operation, n + 1);
      const next = await sent(store, send(operation.conversationId, "Next", { openTurnsMax: 5 }));
      await checkPromises(store, operation.conversationId);
      expect((await store.conversation(operation.conversationId, USER))?.head_id).toBe(next.reply.id);
      await store.close();
    }
  });

  test("a claim that was cut counts at most once, and the next raises the epoch above any that was stored", async () => {
    const { conversation, second, tell } = await story();
    const turnId = second.turn?.id as string;
    const operation: Operation = {
      name: "claim",
      conversationId: conversation.id,
      async prepare(store) {
        await tell(store);
        return (it) => it.claim(claimOf(turnId, { owner: "killed" }));
      },
    };
    for (const n of [1, 2]) {
      const cut = await killedRun(operation, n);
      await checkPromises(cut.store, conversation.id);
      const stored = (await cut.store.turnState(turnId, USER))?.epoch as number;
      const claim = await cut.store.claim(claimOf(turnId, { owner: "next" }));
      expect(claim?.epoch).toBeGreaterThan(stored);
      expect(claim?.attempts).toBe(stored === 0 ? 1 : 2);
      await cut.store.close();
    }
  });

  test("another attempt that was cut leaves a turn that can be claimed and ended once", async () => {
    const { conversation, second, tell } = await story();
    const turnId = second.turn?.id as string;
    const operation: Operation = {
      name: "nextAttempt",
      conversationId: conversation.id,
      async prepare(store) {
        await tell(store);
        const claim = await store.claim(claimOf(turnId, { owner: "killed" }));
        return (it) => it.nextAttempt(turnId, claim?.epoch as number, NOON);
      },
    };
    const cut = await killedRun(operation, 1);
    await checkPromises(cut.store, conversation.id);
    const claim = (await cut.store.claim(claimOf(turnId, { owner: "next" }))) as Claim;
    expect(claim.attempts).toBeLessThanOrEqual(3);
    const ended = await cut.store.complete(turnId, claim.epoch, outcome("Ended"));
    expect(ended).toMatchObject({ kind: "stored", reply: { content: "Ended" } });
    expect(hashOf((await cut.store.message(second.turn?.replyId as string, USER))?.content ?? "")).toBe(
      hashOf("Ended"),
    );
    await checkPromises(cut.store, conversation.id);
    await cut.store.close();
  });
}
