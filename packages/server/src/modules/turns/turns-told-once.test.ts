import { expect, test } from "vitest";
import { CHARACTER } from "../../ports/message-store/conformance/wishes.ts";
import { callOf, endOf, principal, rig, soon } from "./engine.fixture.ts";

const context = { principal } as never;

const looks = async (count: number) => {
  let left = count;
  await soon("a look", () => --left < 0);
};

test("a turn that is handed on again once it has ended is told of once", async () => {
  const engine = rig();
  const { turns, store } = engine;
  const { conversationId, turn } = await engine.ask();
  const told: string[] = [];
  turns.watch(conversationId, (log) => told.push(log.turnId));
  await callOf(engine, 1);
  await turns.stop({ turn_id: turn.id }, context);
  await endOf(store, turn.id);
  const before = told.length;
  // A repeat of its send that was answered while the turn waited.
  turns.accepted({ turnId: turn.id, conversationId, characterId: CHARACTER }, null);
  await looks(100);
  expect([before, told.length]).toEqual([1, 1]);
});

test("a turn that ends between a wish to stop it and the stop is told of once", async () => {
  let hold: (() => void) | null = null;
  const engine = rig({
    wrap: (store) => ({
      ...store,
      async requestStop(...args) {
        const wished = await store.requestStop(...args);
        await new Promise<void>((resolve) => {
          hold = resolve;
        });
        return wished;
      },
    }),
  });
  const { turns, store, clock } = engine;
  const { conversationId, turn } = await engine.ask();
  const told: string[] = [];
  turns.watch(conversationId, (log) => told.push(log.turnId));
  const call = await callOf(engine, 1);
  const stopping = turns.stop({ turn_id: turn.id }, context);
  await soon("the wish", () => hold);
  call.say("Whole.");
  call.end();
  await endOf(store, turn.id);
  await looks(20);
  (hold as unknown as () => void)();
  await looks(20);
  await clock.advance(10_000);
  await stopping;
  expect(told).toEqual([turn.id]);
});
