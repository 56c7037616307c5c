import { randomUUID } from "node:crypto";
import { expect, test } from "vitest";
import type { Claim, MessageStore } from "../message-store.ts";
import type { Place } from "./place.ts";
import {
  answer,
  claimOf,
  everything,
  makeConversation,
  NOON,
  openTurns,
  outcome,
  range,
  regeneration,
  send,
  sent,
  USER,
} from "./wishes.ts";

/** What claims, fences and outcomes promise. */
export function turnTests(place: Place) {
  const oneTurn = async (store: MessageStore) => {
    const id = await makeConversation(store);
    return { id, ...(await sent(store, send(id, "Hi"))) };
  };
  const mustClaim = async (...[claim]: Parameters<MessageStore["claim"]>): Promise<Claim> => {
    const claimed = await place.store.claim(claim);
    if (!claimed) throw new Error("could not claim");
    return claimed;
  };

  test("a claim starts the turn: epoch and attempt rise, and it holds all that a run needs", async () => {
    const { store } = place;
    const id = await makeConversation(store, { settings: { seed: 7 } });
    const { message, reply, turn } = await sent(store, send(id, "Hi"));
    expect((await store.turnState(turn.id, USER))?.epoch).toBe(0);
    const claim = await mustClaim(claimOf(turn.id, { characterVersion: 3, at: NOON + 5 }));
    expect(claim).toEqual({
      turn: {
        ...turn,
        status: "running",
        character_version: 3,
        started_at: new Date(NOON + 5).toISOString(),
      },
      message,
      reply,
      epoch: claim.epoch,
      userId: USER,
      attempts: 1,
      isStopRequested: false,
      isConversationDeleted: false,
      settings: { seed: 7 },
      characterId: reply.character_id,
    });
    expect(claim.epoch).toBeGreaterThan(0);
    expect(await store.turn(turn.id, USER)).toEqual(claim.turn);
    expect((await store.turnState(turn.id, null))?.epoch).toBe(claim.epoch);
    expect((await store.conversation(id, USER))?.active_turn_id).toBe(turn.id);
  });

  test("a send can claim its turn in the same step, and shows it as it was before", async () => {
    const { store } = place;
    const id = await makeConversation(store, { settings: { seed: 7 } });
    const taken = { owner: "a", leaseUntil: NOON + 6_000 };
    const first = await store.accept(send(id, "Hi", { claim: taken }));
    if (first.kind !== "accepted" || !first.turn || !first.claim) throw new Error("was not claimed");
    expect(first.turn).toMatchObject({ status: "queued" });
    expect(first.claim).toEqual({
      turn: { ...first.turn, status: "running", started_at: new Date(NOON).toISOString() },
      message: first.message,
      reply: first.reply,
      epoch: first.claim.epoch,
      userId: USER,
      attempts: 1,
      isStopRequested: false,
      isConversationDeleted: false,
      settings: { seed: 7 },
      characterId: first.reply?.character_id,
    });
    expect(await store.turn(first.turn.id, USER)).toEqual(first.claim.turn);
    const others = claimOf(first.turn.id, { owner: "b", isSoleProcess: false });
    expect(await store.claim(others)).toBeNull();
    expect(await store.claim({ ...others, isSoleProcess: true })).toMatchObject({ attempts: 2 });
    expect(await store.complete(first.turn.id, first.claim.epoch, outcome())).toEqual({ kind: "fenced" });
  });

  test("a send claims no turn behind one that has not ended, and does again once it has", async () => {
    const { store } = place;
    const id = await makeConversation(store);
    const claim = { owner: "a", leaseUntil: NOON + 6_000 };
    const both = await Promise.all(["1", "2"].map((text) => store.accept(send(id, text, { claim }))));
    const [first, second] = both.map((one) => (one.kind === "accepted" ? one : undefined));
    expect(second?.claim).toBeNull();
    expect(await store.turn(second?.turn?.id as string, USER)).toMatchObject({ status: "queued" });
    await store.complete(first?.turn?.id as string, first?.claim?.epoch as number, outcome());
    await answer(store, second?.turn?.id as string);
    expect(await store.accept(send(id, "3", { claim }))).toMatchObject({ claim: { epoch: 1 } });
  });

  test("of many claims at once one gets the turn", async () => {
    const { turn } = await oneTurn(place.store);
    const claims = range(10).map((n) =>
      place.store.claim(claimOf(turn.id, { owner: `owner ${n}`, isSoleProcess: false })),
    );
    expect((await Promise.all(claims)).filter(Boolean)).toHaveLength(1);
  });

  test("a running turn is another's only after its lease, and at once where its owner cannot live", async () => {
    const { store } = place;
    const { turn } = await oneTurn(store);
    const first = await mustClaim(claimOf(turn.id, { owner: "a", isSoleProcess: false }));
    const next = { owner: "b", isSoleProcess: false };
    expect(await store.claim(claimOf(turn.id, { ...next, at: NOON + 5_999 }))).toBeNull();
    expect(await store.claim(claimOf(turn.id, { owner: "a", isSoleProcess: true }))).toBeNull();
    const second = await mustClaim(
      claimOf(turn.id, { ...next, at: NOON + 6_000, leaseUntil: NOON + 12_000 }),
    );
    expect(second.epoch).toBeGreaterThan(first.epoch);
    expect(second.attempts).toBe(2);
    const third = await mustClaim(claimOf(turn.id, { owner: "c", isSoleProcess: true, at: NOON + 6_001 }));
    expect(third.epoch).toBeGreaterThan(second.epoch);
    expect(third.turn.started_at).toBe(first.turn.started_at);
  });

  test("an earlier turn that has not ended holds back the next; ending one needs no place in the row", async () => {
    const { store } = place;
    const { id, turn } = await oneTurn(store);
    const second = await sent(store, send(id, "2"));
    expect(await store.activeTurnId(id)).toBe(turn.id);
    expect(await store.claim(claimOf(second.turn.id))).toBeNull();
    const running = await mustClaim(claimOf(turn.id));
    expect(await store.claim(claimOf(second.turn.id))).toBeNull();
    const ending = await mustClaim(claimOf(second.turn.id, { countsAsAttempt: false }));
    expect(ending).toMatchObject({ attempts: 0, turn: { status: "queued" } });
    expect(ending.turn.started_at).toBeUndefined();
    const stop = outcome("", { status: "stopped", replyStatus: "failed", finishReason: "stopped" });
    expect(await store.complete(second.turn.id, ending.epoch, stop)).toMatchObject({
      kind: "stored",
      turn: { status: "stopped" },
      reply: { status: "failed", finish_reason: "stopped", content: "" },
    });
    expect(await store.activeTurnId(id)).toBe(turn.id);
    await store.complete(turn.id, running.epoch, outcome());
    expect(await store.activeTurnId(id)).toBeNull();
    const third = await sent(store, send(id, "3"));
    expect((await mustClaim(claimOf(third.turn.id))).attempts).toBe(1);
  });

  test("another attempt raises the epoch of one's own claim alone", async () => {
    const { store } = place;
    const { turn } = await oneTurn(store);
    expect(await store.nextAttempt(turn.id, 0, NOON)).toBeNull();
    const { epoch } = await mustClaim(claimOf(turn.id));
    const next = await store.nextAttempt(turn.id, epoch, NOON);
    expect(next?.epoch).toBeGreaterThan(epoch);
    expect(next?.attempts).toBe(2);
    expect(await store.nextAttempt(turn.id, epoch, NOON)).toBeNull();
    expect(await store.complete(turn.id, epoch, outcome())).toEqual({ kind: "fenced" });
    expect((await store.complete(turn.id, next?.epoch as number, outcome())).kind).toBe("stored");
    expect(await store.nextAttempt(turn.id, next?.epoch as number, NOON)).toBeNull();
  });

  test("renewing prolongs what is held and names what is not", async () => {
    const { store } = place;
    const one = await oneTurn(store);
    const two = await oneTurn(store);
    const three = await oneTurn(store);
    const mine = await mustClaim(claimOf(one.turn.id, { owner: "a" }));
    const taken = await mustClaim(claimOf(two.turn.id, { owner: "a" }));
    await mustClaim(claimOf(two.turn.id, { owner: "b" }));
    const ended = await mustClaim(claimOf(three.turn.id, { owner: "a" }));
    await store.complete(three.turn.id, ended.epoch, outcome());
    const held = [mine, taken, ended].map(({ turn, epoch }) => ({ turnId: turn.id, epoch }));
    expect(await store.renew(held, NOON + 60_000)).toEqual([two.turn.id, three.turn.id]);
    const other = { owner: "b", isSoleProcess: false };
    expect(await store.claim(claimOf(one.turn.id, { ...other, at: NOON + 59_999 }))).toBeNull();
    expect(await store.claim(claimOf(one.turn.id, { ...other, at: NOON + 60_000 }))).not.toBeNull();
    expect(await store.renew([], NOON)).toEqual([]);
  });

  test("a lease given back is free at once, for its own process too", async () => {
    const { store } = place;
    const { turn } = await oneTurn(store);
    const mine = await mustClaim(claimOf(turn.id, { owner: "a" }));
    expect(await store.claim(claimOf(turn.id, { owner: "a", at: NOON + 1 }))).toBeNull();
    expect(await store.renew([{ turnId: turn.id, epoch: mine.epoch }], NOON + 1)).toEqual([]);
    const again = await mustClaim(claimOf(turn.id, { owner: "a", isSoleProcess: false, at: NOON + 1 }));
    expect(again).toMatchObject({ attempts: 2 });
    expect(await store.complete(turn.id, mine.epoch, outcome("Stale"))).toEqual({ kind: "fenced" });
  });

  test("the outcome sets the reply once, whole, and in contract form", async () => {
    const { store } = place;
    const { id, turn, reply } = await oneTurn(store);
    const { epoch } = await mustClaim(claimOf(turn.id));
    const usage = { prompt_tokens: 5, completion_tokens: 2, total_tokens: 7, estimated: true };
    const attempt = {
      epoch,
      provider: "demo",
      model: "demo",
      promptTokens: 5,
      completionTokens: 2,
      startedAt: NOON,
      firstTextAt: null,
      endedAt: NOON + 1,
      error: null,
    };
    const good = outcome("Good day.", { usage, attempts: [attempt], promptHash: "abc" });
    const stored = await store.complete(turn.id, epoch, good);
    expect(stored).toEqual({
      kind: "stored",
      epoch,
      turn: {
        ...turn,
        status: "completed",
        started_at: new Date(NOON).toISOString(),
        ended_at: new Date(NOON + 1_000).toISOString(),
      },
      reply: {
        ...reply,
        status: "complete",
        content: "Good day.",
        token_count: 3,
        finish_reason: "stop",
        usage,
      },
    });
    expect(await store.turnState(turn.id, USER)).toMatchObject({
      epoch,
      reply: "reply" in stored && stored.reply,
    });
    expect((await everything(store, id))[1]).toEqual("reply" in stored && stored.reply);
    expect(await openTurns(store)).toEqual([]);
  });

  test("the first stored outcome wins, and later ones are told what it was (I3)", async () => {
    const { store } = place;
    const { id, turn } = await oneTurn(store);
    const { epoch } = await mustClaim(claimOf(turn.id));
    const outcomes = range(6).map((n) => store.complete(turn.id, epoch, outcome(`Reply ${n}`)));
    const results = await Promise.all(outcomes);
    expect(results.map(({ kind }) => kind)).toEqual(["stored", ...Array(5).fill("already")]);
    const texts = results.map((one) => ("reply" in one ? one.reply.content : ""));
    expect(new Set(texts)).toEqual(new Set(["Reply 0"]));
    expect(await store.complete(turn.id, epoch - 1, outcome("Late"))).toMatchObject({
      kind: "already",
      epoch,
      reply: { content: "Reply 0" },
    });
    expect(await store.claim(claimOf(turn.id))).toBeNull();
    expect(await everything(store, id)).toHaveLength(2);
  });

  test("who was overtaken is fenced and changes nothing (R3)", async () => {
    const { store } = place;
    const { turn, reply } = await oneTurn(store);
    const old = await mustClaim(claimOf(turn.id, { owner: "a" }));
    const now = await mustClaim(claimOf(turn.id, { owner: "b" }));
    expect(await store.complete(turn.id, old.epoch, outcome("Stale"))).toEqual({ kind: "fenced" });
    expect(await store.message(reply.id, USER)).toEqual(reply);
    expect(await store.complete(turn.id, now.epoch, outcome("Fresh"))).toMatchObject({ kind: "stored" });
    expect((await store.message(reply.id, USER))?.content).toBe("Fresh");
    expect(await store.complete(randomUUID(), 1, outcome())).toEqual({ kind: "fenced" });
    expect(await store.complete((await oneTurn(store)).turn.id, 0, outcome())).toEqual({ kind: "fenced" });
  });

  test("a failure keeps its problem, and the text so far where there is some", async () => {
    const { store } = place;
    const { turn } = await oneTurn(store);
    const { epoch } = await mustClaim(claimOf(turn.id));
    const problem = {
      type: "/docs/problems#provider_truncated",
      title: "Broken off",
      status: 502,
      detail: "It broke off.",
      code: "provider_truncated",
      request_id: turn.id,
    } as const;
    const broken = { status: "failed", replyStatus: "incomplete", finishReason: "error", problem } as const;
    const ended = await store.complete(turn.id, epoch, outcome("Half a", broken));
    expect(ended).toMatchObject({
      turn: { status: "failed", problem },
      reply: { status: "incomplete", content: "Half a", finish_reason: "error" },
    });
    expect(await store.turn(turn.id, USER)).toEqual("turn" in ended && ended.turn);
  });

  test("the wish to stop is kept over a restart, and changes no turn that has ended", async () => {
    const { turn } = await oneTurn(place.store);
    expect(await place.store.requestStop(turn.id, USER, NOON)).toMatchObject({ status: "queued" });
    expect(await place.store.requestStop(randomUUID(), USER, NOON)).toBeNull();
    const store = await place.reopen();
    expect(await openTurns(store)).toMatchObject([{ turnId: turn.id }]);
    const claim = await mustClaim(claimOf(turn.id, { countsAsAttempt: false }));
    expect(claim.isStopRequested).toBe(true);
    const stop = outcome("", { status: "stopped", replyStatus: "failed", finishReason: "stopped" });
    await store.complete(turn.id, claim.epoch, stop);
    expect(await store.requestStop(turn.id, USER, NOON)).toMatchObject({ status: "stopped" });
  });

  test("open turns are told by conversation and seq, queued or running, page by page", async () => {
    const { store } = place;
    const one = await oneTurn(store);
    const two = await oneTurn(store);
    const later = await sent(store, send(one.id, "2"));
    await answer(store, two.turn.id);
    const again = await store.acceptRegeneration(regeneration(two.reply.id));
    await mustClaim(claimOf(one.turn.id, { owner: "a" }));
    const open = await openTurns(store);
    const mine = open.filter((turn) => turn.conversationId === one.id);
    const shape = { conversationId: one.id, characterId: one.reply.character_id };
    expect(mine).toEqual([
      { ...shape, turnId: one.turn.id, seq: 2 },
      { ...shape, turnId: later.turn.id, seq: 4 },
    ]);
    expect(open.find((turn) => turn.conversationId === two.id)).toMatchObject({ seq: 3 });
    expect("turn" in again && again.turn.status).toBe("queued");
    expect(await store.openTurns({ after: null, limit: 1 })).toEqual(open.slice(0, 1));
    for (const limit of [1, 2, 3]) expect(await openTurns(store, limit)).toEqual(open);
  });

  test("a claim that was cut by a restart is taken again, with a higher epoch and another attempt", async () => {
    const { turn } = await oneTurn(place.store);
    const before = await mustClaim(claimOf(turn.id, { owner: "first run" }));
    const store = await place.reopen();
    expect(await openTurns(store)).toMatchObject([{ turnId: turn.id }]);
    expect(await store.turn(turn.id, USER)).toMatchObject({ status: "running" });
    const after = await mustClaim(claimOf(turn.id, { owner: "second run" }));
    expect(after.epoch).toBeGreaterThan(before.epoch);
    expect(after.attempts).toBe(2);
    expect(await store.complete(turn.id, before.epoch, outcome("Old"))).toEqual({ kind: "fenced" });
  });
}
