import { expect, test } from "vitest";
import { manualClock } from "../../../kit/clock.ts";
import { createWatch, hostedTimers, type LlmTimers } from "./watch.ts";

function setUp(timers: Partial<LlmTimers> = {}, afterEachTimer = () => {}) {
  const clock = manualClock();
  const expired: string[] = [];
  const timed = {
    ...clock,
    after: (ms: number, run: () => void) =>
      clock.after(ms, () => {
        run();
        afterEachTimer();
      }),
  };
  const watch = createWatch({
    timers: { ...hostedTimers, ...timers },
    clock: timed,
    onExpired: (which) => expired.push(which),
  });
  return { clock, expired, watch };
}

test("a deadline that passed while the event loop was blocked is no timeout where bytes were waiting", async () => {
  let arrive = () => {};
  const { clock, expired, watch } = setUp({}, () => queueMicrotask(() => arrive()));
  watch.connected();
  arrive = () => watch.arrived(true);
  await clock.advance(10_000);
  expect(expired).toEqual([]);
  arrive = () => {};
  await clock.advance(15_000);
  expect(expired).toEqual(["betweenTokensMs"]);
});

test("every timer can be turned off, and with all off nothing ever ends the call", async () => {
  const off = { connectMs: 0, firstTokenMs: 0, betweenTokensMs: 0, idleMs: 0, callMs: 0 };
  const { clock, expired, watch } = setUp(off);
  watch.connected();
  watch.arrived(true);
  await clock.advance(100_000_000);
  expect(expired).toEqual([]);
});

test("one call expires at most once, and not after it was stopped", async () => {
  const expiring = setUp();
  await expiring.clock.advance(1_000_000);
  expect(expiring.expired).toEqual(["connectMs"]);
  const stopped = setUp();
  stopped.watch.stop();
  await stopped.clock.advance(1_000_000);
  expect(stopped.expired).toEqual([]);
});

test("a thousand arrivals set no timer each", async () => {
  let timers = 0;
  const { clock, watch } = setUp({}, () => timers++);
  watch.connected();
  for (let i = 0; i < 1_000; i++) {
    await clock.advance(1);
    watch.arrived(true);
  }
  expect(timers).toBeLessThan(10);
});
