import { expect, test } from "vitest";
import { newId } from "../../kit/ids.ts";
import {
  CHARACTER,
  makeConversation,
  NOON,
  range,
  send,
  sent,
  USER,
} from "../../ports/message-store/conformance/wishes.ts";
import { allOf, callOf, endOf, principal, read, rig, soon, story } from "./engine.fixture.ts";

const caller = {
  principal,
  requestId: "r",
  address: "192.0.2.1",
  newId,
  markReplayed() {},
  showLimit() {},
};

test("turns of one conversation run one after another, each to one outcome", async () => {
  const engine = rig();
  const { store, turns } = engine;
  await turns.start();
  const first = await engine.ask();
  const second = await engine.ask(first.conversationId);
  (await callOf(engine, 1)).end();
  expect(await endOf(store, first.turn.id)).toMatchObject({ status: "completed" });
  (await callOf(engine, 2)).end();
  expect(await endOf(store, second.turn.id)).toMatchObject({ status: "completed" });
  await soon("nothing to run", () => turns.running === 0);
  expect([engine.calls.length, turns.waiting, engine.troubles]).toEqual([2, 0, []]);
});

test("who begins to follow in the very moment in which a turn ends is told its end", async () => {
  let letPass = () => {};
  const engine = rig({
    wrap: (store) => ({
      ...store,
      async turnState(turnId, userId) {
        const state = await store.turnState(turnId, userId);
        if (userId !== null) await new Promise<void>((resolve) => (letPass = resolve));
        return state;
      },
    }),
  });
  const { turn } = await engine.ask();
  const call = await callOf(engine, 1);
  call.say("Hello.");
  const following = engine.turns.follow(turn.id, null, principal);
  await soon("the state to be read", () => letPass.name !== "letPass");
  call.end();
  await endOf(engine.store, turn.id);
  await soon("the end of the run", () => engine.turns.running === 0);
  letPass();
  const reader = await following;
  expect(story(await allOf(reader))).toEqual([
    "turn.started",
    "reply.start",
    "Hello.",
    "reply.end",
    "turn.completed",
  ]);
  expect(reader.isDone()).toBe(true);
});

test("a turn that waits is stopped at once, and one that runs has its call to the model aborted", async () => {
  const engine = rig();
  const first = await engine.ask();
  const second = await engine.ask(first.conversationId);
  const call = await callOf(engine, 1);
  call.say("So far");
  const stopped = await engine.turns.stop({ turn_id: second.turn.id }, caller);
  expect(stopped).toMatchObject({ status: "stopped" });
  expect(await engine.turns.stop({ turn_id: first.turn.id }, caller)).toMatchObject({ status: "stopped" });
  expect(call.signal.aborted).toBe(true);
  expect(await engine.store.message(first.reply.id, USER)).toMatchObject({
    status: "incomplete",
    content: "So far",
  });
  expect(engine.calls).toHaveLength(1);
});

test("a stop whose end cannot be stored is made good within two seconds, without a call to the model", async () => {
  let refusals = 1;
  const engine = rig({
    wrap: (store) => ({
      ...store,
      async complete(...input) {
        if (refusals-- > 0) throw new Error("no");
        return store.complete(...input);
      },
    }),
  });
  const first = await engine.ask();
  const second = await engine.ask(first.conversationId);
  const call = await callOf(engine, 1);
  await expect(engine.turns.stop({ turn_id: second.turn.id }, caller)).rejects.toThrow("no");
  call.end();
  await endOf(engine.store, first.turn.id);
  await engine.clock.advance(2_000);
  expect(await endOf(engine.store, second.turn.id)).toMatchObject({ status: "stopped" });
  expect(engine.calls).toHaveLength(1);
});

test("a turn that is interrupted is taken up within two seconds, and those behind it keep their order (I4)", async () => {
  let troubles = 1;
  const order: string[] = [];
  const engine = rig({
    uses: {
      async characterVersion() {
        if (troubles-- > 0) throw new Error("a hiccup");
        return 1;
      },
    },
    wrap: (store) => ({
      ...store,
      async complete(turnId, ...rest) {
        order.push(turnId);
        return store.complete(turnId, ...rest);
      },
    }),
  });
  const first = await engine.ask(undefined, { isUnclaimed: true });
  const second = await engine.ask(first.conversationId);
  const third = await engine.ask(first.conversationId);
  await soon("all to have left", () => engine.turns.running === 0 && engine.turns.waiting === 0);
  await engine.clock.advance(2_000);
  for (const n of [1, 2, 3]) (await callOf(engine, n)).end();
  await endOf(engine.store, third.turn.id);
  expect(order).toEqual([first, second, third].map(({ turn }) => turn.id));
  expect(engine.troubles).toMatchObject([{ message: "a hiccup" }]);
});

test("a start takes up every turn that has not ended, page by page, and lets others in between pages", async () => {
  let pages = 0;
  let between = 0;
  const engine = rig({
    uses: { runningMax: 2 },
    wrap: (store) => ({
      ...store,
      async openTurns(query) {
        pages++;
        setImmediate(() => between++);
        expect(query.limit).toBeLessThanOrEqual(500);
        return store.openTurns(query);
      },
    }),
  });
  const ids = await Promise.all(range(1_100).map(() => makeConversation(engine.store)));
  await Promise.all(ids.map((id) => sent(engine.store, send(id))));
  await engine.turns.start();
  expect(engine.turns.running + engine.turns.waiting).toBe(1_100);
  expect(pages).toBeGreaterThan(2);
  expect(between).toBeGreaterThanOrEqual(pages - 1);
});

test("a start takes up at once what a killed process of the same place held, without waiting for its lease (I4)", async () => {
  const engine = rig();
  const killed = engine.neighbour();
  const running = await killed.ask();
  const waiting = await killed.ask(running.conversationId);
  (await callOf(killed, 1)).say("Half a");
  await engine.turns.start();
  const call = await callOf(engine, 1);
  call.say("Whole.");
  call.end();
  expect(await endOf(engine.store, running.turn.id)).toMatchObject({ status: "completed" });
  (await callOf(engine, 2)).end();
  expect(await endOf(engine.store, waiting.turn.id)).toMatchObject({ status: "completed" });
});

test("while nothing fails the store is swept every five seconds; what a cut send left is found by that", async () => {
  let sweeps = 0;
  const engine = rig({
    wrap: (store) => ({
      ...store,
      async openTurns(query) {
        sweeps++;
        return store.openTurns(query);
      },
    }),
  });
  await engine.turns.start();
  await engine.clock.advance(60_000);
  expect(sweeps).toBeLessThanOrEqual(13);
  const { turn } = await sent(engine.store, send(await makeConversation(engine.store)));
  await engine.clock.advance(5_000);
  (await callOf(engine, 1)).end();
  expect(await endOf(engine.store, turn.id)).toMatchObject({ status: "completed" });
});

test("what cannot be mended holds up no turn: it is told of, and all are taken up", async () => {
  const engine = rig({
    wrap: (store) => ({
      ...store,
      async repair() {
        throw new Error("a damaged row");
      },
    }),
  });
  const { turn } = await sent(engine.store, send(await makeConversation(engine.store)));
  await engine.turns.start();
  (await callOf(engine, 1)).end();
  expect(await endOf(engine.store, turn.id)).toMatchObject({ status: "completed" });
  expect(engine.troubles).toMatchObject([{ message: "a damaged row" }]);
});

test("a turn that was cut in each of its attempts fails, and its problem says that it may be tried again", async () => {
  const engine = rig();
  const { turn } = await sent(engine.store, send(await makeConversation(engine.store)));
  for (const owner of ["1", "2", "3"]) {
    const times = { at: engine.clock.now(), leaseUntil: engine.clock.now() + 6_000 };
    await engine.store.claim({
      turnId: turn.id,
      owner,
      isSoleProcess: true,
      countsAsAttempt: true,
      characterVersion: null,
      ...times,
    });
  }
  await engine.turns.start();
  const ended = await endOf(engine.store, turn.id);
  expect(ended).toMatchObject({ status: "failed", problem: { code: "attempts_exhausted" } });
  expect(engine.calls).toHaveLength(0);
});

test("a turn that was claimed with its send waits behind one that came before it, and is free for its place", async () => {
  const engine = rig();
  const { store, turns } = engine;
  const conversationId = await makeConversation(store);
  const claim = turns.claimFor(conversationId);
  expect(claim).not.toBeNull();
  // Another turn takes the lane while the send is being stored.
  turns.accepted({ turnId: newId(), conversationId, characterId: CHARACTER }, null);
  expect(turns.claimFor(conversationId)).toBeNull();
  const claimed = await sent(store, send(conversationId, "Hi", { claim }));
  turns.accepted({ turnId: claimed.turn.id, conversationId, characterId: CHARACTER }, claimed.claim);
  (await callOf(engine, 1)).end();
  expect(await endOf(store, claimed.turn.id)).toMatchObject({ status: "completed" });
  expect(engine.troubles).toEqual([]);
});

test("a drain between a turn's claim and its run hands it back before the model is asked", async () => {
  let letPass = () => {};
  const engine = rig({
    wrap: (store) => ({
      ...store,
      async claim(input) {
        const claimed = await store.claim(input);
        await new Promise<void>((resolve) => (letPass = resolve));
        return claimed;
      },
    }),
  });
  const { turn } = await engine.ask(undefined, { isUnclaimed: true });
  await soon("the claim", () => letPass.name !== "letPass");
  const drained = engine.turns.drain(1_000);
  await engine.clock.advance(1_000);
  letPass();
  await drained;
  expect(engine.calls).toHaveLength(0);
  expect(await engine.store.turn(turn.id, USER)).toMatchObject({ status: "running" });
  const next = engine.neighbour();
  next.turns.accepted(
    { turnId: turn.id, conversationId: turn.conversation_id, characterId: CHARACTER },
    null,
  );
  (await callOf(next, 1)).end();
  expect(await endOf(engine.store, turn.id)).toMatchObject({ status: "completed" });
});

test("a drain lets a reply end that can, and cuts the one that cannot without an outcome", async () => {
  const engine = rig();
  const quick = await engine.ask();
  const slow = await engine.ask();
  const waiting = await engine.ask(slow.conversationId);
  const [first, second] = [await callOf(engine, 1), await callOf(engine, 2)];
  const drained = engine.turns.drain(10_000);
  await engine.clock.advance(5_000);
  first.end();
  await endOf(engine.store, quick.turn.id);
  expect(second.signal.aborted).toBe(false);
  await engine.clock.advance(5_000);
  await drained;
  expect(second.signal.aborted).toBe(true);
  expect(await engine.store.turn(slow.turn.id, USER)).toMatchObject({ status: "running" });
  expect(await engine.store.turn(waiting.turn.id, USER)).toMatchObject({ status: "queued" });
});

test("a reply that is whole just after its conversation was deleted is told to nobody", async () => {
  const engine = rig();
  const { turns, store } = engine;
  const { conversationId, turn } = await engine.ask();
  const call = await callOf(engine, 1);
  call.say("Half ");
  const reader = await turns.follow(turn.id, null, principal);
  expect(story(read(reader))).toEqual(["turn.started", "reply.start", "Half "]);
  await store.deleteConversation(conversationId, USER, NOON);
  call.say("a secret.");
  call.end();
  const events = await allOf(reader);
  expect(story(events).slice(-2)).toEqual(["reply.reset", "turn.stopped"]);
});
