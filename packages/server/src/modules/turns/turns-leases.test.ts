import { expect, test } from "vitest";
import { claimOf, outcome } from "../../ports/message-store/conformance/wishes.ts";
import type { Claim } from "../../ports/message-store/message-store.ts";
import { allOf, callOf, endOf, principal, type Rig, read, rig, soon, story } from "./engine.fixture.ts";

/** One of several processes, each of which waits for the leases of the others. */
const oneOfMany = () => rig({ uses: { isSoleProcess: false } });

/** Another process, that asks as one does that is not alone. */
const claimAsOther = ({ store, clock }: Rig, turnId: string, isSoleProcess = false) =>
  store.claim(
    claimOf(turnId, {
      owner: "other",
      isSoleProcess,
      at: clock.now(),
      leaseUntil: clock.now() + 6_000,
    }),
  );

/** What a process gets that does not see that another lives. */
const takeAway = async (engine: Rig, turnId: string) => (await claimAsOther(engine, turnId, true)) as Claim;

test("a turn that runs keeps its lease, however long it takes, and loses it with its process", async () => {
  const engine = oneOfMany();
  await engine.turns.start();
  const { turn } = await engine.ask();
  await callOf(engine, 1);
  await engine.clock.advance(60_000);
  expect(await claimAsOther(engine, turn.id)).toBeNull();
  await engine.clock.advance(5_999);
  expect(await claimAsOther(engine, turn.id)).toBeNull();
});

test("a drain keeps the leases of what it waits for, and gives back at once what it cuts", async () => {
  const engine = oneOfMany();
  await engine.turns.start();
  const { turn } = await engine.ask();
  await callOf(engine, 1);
  const drained = engine.turns.drain(20_000);
  await engine.clock.advance(19_999);
  expect(await claimAsOther(engine, turn.id)).toBeNull();
  await engine.clock.advance(1);
  await drained;
  expect(await claimAsOther(engine, turn.id)).not.toBeNull();
});

test("an attempt that follows a failed one is renewed under its own epoch", async () => {
  const engine = oneOfMany();
  await engine.turns.start();
  const { turn } = await engine.ask();
  const detail = "It answered 500.";
  (await callOf(engine, 1)).end({
    kind: "failed",
    code: "provider_error",
    detail,
    retryable: true,
    usage: null,
  });
  await soon("the second call", async () => {
    await engine.clock.advance(1);
    return engine.calls.length === 2;
  });
  await engine.clock.advance(30_000);
  expect(await claimAsOther(engine, turn.id)).toBeNull();
  const call = await callOf(engine, 2);
  expect(call.signal.aborted).toBe(false);
  call.say("Fine.");
  call.end();
  expect(await endOf(engine.store, turn.id)).toMatchObject({ status: "completed" });
});

test("a lost lease cuts the call to the model within two seconds, and readers go on to the outcome of the other", async () => {
  const engine = oneOfMany();
  await engine.turns.start();
  const { turn } = await engine.ask();
  const call = await callOf(engine, 1);
  const reader = await engine.turns.follow(turn.id, null, principal);
  call.say("Ours");
  expect(story(read(reader))).toEqual(["turn.started", "reply.start", "Ours"]);
  const theirs = await takeAway(engine, turn.id);
  await engine.clock.advance(2_000);
  expect(call.signal.aborted).toBe(true);
  call.say("too late");
  await engine.clock.advance(4_000);
  expect(read(reader)).toEqual([]);
  expect((await engine.store.complete(turn.id, theirs.epoch, outcome("Theirs."))).kind).toBe("stored");
  await engine.clock.advance(5_000);
  const rest = await allOf(reader);
  expect(story(rest)).toEqual(["reply.reset", "reply.start", "Theirs.", "reply.end", "turn.completed"]);
  expect(rest[0]).toMatchObject({ epoch: theirs.epoch, reason: "adopted" });
  expect(reader.isDone()).toBe(true);
  expect(engine.calls).toHaveLength(1);
});

test("a lease that was reported lost by mistake never stops a turn: it is made anew, to one outcome", async () => {
  let mistakes = 1;
  const engine = rig({
    wrap: (store) => ({
      ...store,
      renew: async (held, leaseUntil) =>
        mistakes-- > 0 ? held.map(({ turnId }) => turnId) : store.renew(held, leaseUntil),
    }),
  });
  await engine.turns.start();
  const { turn, reply } = await engine.ask();
  await callOf(engine, 1);
  await engine.clock.advance(10_000);
  const call = await callOf(engine, 2);
  call.say("Anew.");
  call.end();
  expect(await endOf(engine.store, turn.id)).toMatchObject({ status: "completed" });
  expect(await engine.store.message(reply.id, principal.userId)).toMatchObject({ content: "Anew." });
});

test("who is fenced at the end stores nothing, and its readers go on to the outcome of the other", async () => {
  const engine = oneOfMany();
  const { turn, reply } = await engine.ask();
  const call = await callOf(engine, 1);
  const reader = await engine.turns.follow(turn.id, null, principal);
  call.say("Ours.");
  const theirs = await takeAway(engine, turn.id);
  call.end();
  await soon("the end of the run", () => engine.turns.running === 0);
  expect(story(read(reader))).toEqual(["turn.started", "reply.start", "Ours."]);
  expect(reader.isDone()).toBe(false);
  await engine.store.complete(turn.id, theirs.epoch, outcome("Theirs."));
  await engine.clock.advance(1_000);
  const rest = await allOf(reader);
  expect(story(rest)).toEqual(["reply.reset", "reply.start", "Theirs.", "reply.end", "turn.completed"]);
  expect(await engine.store.message(reply.id, principal.userId)).toMatchObject({ content: "Theirs." });
});

test("a turn whose new holder dies is taken up again once that lease is over", async () => {
  const engine = oneOfMany();
  await engine.turns.start();
  const { turn } = await engine.ask();
  await callOf(engine, 1);
  await takeAway(engine, turn.id);
  await engine.clock.advance(12_000);
  const call = await callOf(engine, 2);
  call.say("After all.");
  call.end();
  expect(await endOf(engine.store, turn.id)).toMatchObject({ status: "completed" });
});

test("who follows a turn that another process runs is told its end, though nobody here knew of it", async () => {
  const engine = oneOfMany();
  const other = engine.neighbour();
  const { turn } = await other.ask();
  const call = await callOf(other, 1);
  const reader = await engine.turns.follow(turn.id, null, principal);
  call.say("Far away.");
  call.end();
  await endOf(engine.store, turn.id);
  await engine.clock.advance(1_000);
  const events = await allOf(reader);
  expect(story(events).slice(-3)).toEqual(["Far away.", "reply.end", "turn.completed"]);
  expect(events.find(({ type }) => type === "reply.end")).toMatchObject({
    message: { content: "Far away." },
  });
});
