import { Problem } from "@parley-chat/sdk/contract/problem";
import { expect, test } from "vitest";
import type { MessageStore } from "../../ports/message-store/message-store.ts";
import { callOf, endOf, principal, type Rig, read, rig, soon, story } from "./engine.fixture.ts";

const full = () => new Problem("storage_unavailable", "The disk is full.", { retryAfterS: 1 });
const damaged = () => new Problem("storage_unavailable", "The file is damaged.");

interface Refusing {
  claim: (() => Error) | null;
  complete: (() => Error) | null;
}

/** A store that refuses what a test says, for as long as it says. */
function refusingRig() {
  const refusing: Refusing = { claim: null, complete: null };
  const tries = { claim: 0, complete: 0 };
  const wrap = (store: MessageStore): MessageStore => ({
    ...store,
    async claim(input) {
      tries.claim++;
      if (refusing.claim) throw refusing.claim();
      return store.claim(input);
    },
    async complete(...input) {
      tries.complete++;
      if (refusing.complete) throw refusing.complete();
      return store.complete(...input);
    },
  });
  return { engine: rig({ wrap }), refusing, tries };
}

const followed = async (engine: Rig, turnId: string, after: string | null = null) =>
  engine.turns.follow(turnId, after, principal);

const cursorOf = (events: ReturnType<typeof read>): string =>
  events.flatMap((event) => ("cursor" in event ? [event.cursor] : [])).at(-1) as string;

test("a turn whose claim is refused keeps its place, and goes on as soon as the store does", async () => {
  const { engine, refusing } = refusingRig();
  refusing.claim = full;
  const { turn, conversationId } = await engine.ask(undefined, { isUnclaimed: true });
  const second = await engine.ask(conversationId);
  await engine.clock.advance(100);
  expect(engine.turns.running).toBe(1);
  refusing.claim = null;
  await engine.clock.advance(250);
  (await callOf(engine, 1)).end();
  expect(await endOf(engine.store, turn.id)).toMatchObject({ status: "completed" });
  (await callOf(engine, 2)).end();
  expect(await endOf(engine.store, second.turn.id)).toMatchObject({ status: "completed" });
  expect(engine.troubles).toEqual([]);
});

test("an outcome that is refused is kept and stored once, without another call to the model", async () => {
  const { engine, refusing } = refusingRig();
  const { turn } = await engine.ask();
  const call = await callOf(engine, 1);
  const reader = await followed(engine, turn.id);
  refusing.complete = full;
  call.say("Kept.");
  call.end();
  await engine.clock.advance(20_000);
  expect(story(read(reader))).toEqual(["turn.started", "reply.start", "Kept."]);
  refusing.complete = null;
  await engine.clock.advance(2_000);
  expect(await endOf(engine.store, turn.id)).toMatchObject({ status: "completed" });
  expect(story(read(reader))).toEqual(["reply.end", "turn.completed"]);
  expect([engine.calls.length, engine.troubles]).toEqual([1, []]);
});

test("nobody hangs on a store that refuses for long: streams end within a minute, and their cursors go on", async () => {
  const { engine, refusing } = refusingRig();
  const { turn } = await engine.ask();
  const call = await callOf(engine, 1);
  const reader = await followed(engine, turn.id);
  refusing.complete = full;
  call.say("Kept.");
  call.end();
  await soon("the refusal", () => engine.turns.running === 1);
  const events = read(reader);
  let news = 0;
  reader.onNews(() => news++);
  await engine.clock.advance(60_000);
  expect(reader.isDone()).toBe(true);
  expect(reader.next()).toBeNull();
  expect(news).toBeGreaterThan(0);
  const next = await followed(engine, turn.id, cursorOf(events));
  expect(next.isDone()).toBe(false);
  refusing.complete = null;
  await engine.clock.advance(2_000);
  await endOf(engine.store, turn.id);
  expect(story(read(next))).toEqual(["turn.started", "reply.start", "reply.end", "turn.completed"]);
  expect(engine.calls).toHaveLength(1);
});

test("after a night of refusals a turn still ends in one outcome, made anew, and the log has a few lines of it", async () => {
  const { engine, refusing } = refusingRig();
  await engine.turns.start();
  const { turn } = await engine.ask();
  const call = await callOf(engine, 1);
  refusing.complete = full;
  refusing.claim = full;
  call.say("Lost.");
  call.end();
  await engine.clock.advance(8 * 3_600_000);
  expect(engine.troubles.length).toBeGreaterThan(0);
  expect(engine.troubles.length).toBeLessThan(10);
  refusing.complete = null;
  refusing.claim = null;
  await engine.clock.advance(10_000);
  const again = await callOf(engine, 2);
  again.say("Made anew.");
  again.end();
  expect(await endOf(engine.store, turn.id)).toMatchObject({ status: "completed" });
  expect(engine.calls).toHaveLength(2);
});

test("what no waiting mends is told of at once, is not tried for ever in place, and costs three calls at most", async () => {
  const { engine, refusing, tries } = refusingRig();
  const { turn } = await engine.ask();
  const readers = [await followed(engine, turn.id)];
  refusing.complete = damaged;
  (await callOf(engine, 1)).end();
  await soon("the report", () => engine.troubles.length === 1);
  expect(tries.complete).toBe(1);
  for (const n of [2, 3]) {
    await engine.clock.advance(2_000);
    const call = await callOf(engine, n);
    readers.push(await followed(engine, turn.id));
    call.end();
    await soon("the next report", () => engine.troubles.length === n);
  }
  await engine.clock.advance(600_000);
  expect(engine.calls).toHaveLength(3);
  expect(engine.troubles.length).toBeLessThan(10);
  expect(tries.complete).toBeLessThan(200);
  expect(readers.every((reader) => reader.isDone())).toBe(true);
  expect(await engine.store.turn(turn.id, principal.userId)).toMatchObject({ status: "running" });
  refusing.complete = null;
  await engine.clock.advance(5_000);
  expect(await endOf(engine.store, turn.id)).toMatchObject({
    status: "failed",
    problem: { code: "attempts_exhausted" },
  });
});
