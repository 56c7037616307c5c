import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Problem } from "../contract/index.ts";
import { createActivation } from "./activation.ts";
import { createSubscription } from "./subscriptions.ts";

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

function setUp() {
  const subscription = createSubscription("c");
  const told: string[] = [];
  subscription.add(({ type }) => told.push(type), undefined);
  const uses = { request: vi.fn(async () => ({})), isListened: true };
  const activation = createActivation({
    request: () => uses.request(),
    isListened: () => uses.isListened,
    follow() {},
    onRefused: (id, { code }) => told.push(`${id} ${code}`),
  });
  const activate = () => activation.activate(subscription, { isAfterBreak: false });
  return { activation, activate, uses, told };
}

test.each(["storage_unavailable", "overloaded", "draining"] as const)(
  "a subscribe refused as %s is tried again until it goes live, and told to nobody",
  async (code) => {
    const { activate, uses, told } = setUp();
    uses.request.mockRejectedValueOnce(new Problem(code, undefined, { retryAfterS: 2 }));
    uses.request.mockRejectedValueOnce(new Problem(code));
    await activate();
    await vi.advanceTimersByTimeAsync(2_999);
    expect(uses.request).toHaveBeenCalledTimes(1);
    await vi.advanceTimersByTimeAsync(1);
    expect(uses.request).toHaveBeenCalledTimes(2);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(told).toEqual(["resumed"]);
  },
);

test("a subscribe refused for good is told with its conversation, and not tried again", async () => {
  const { activate, uses, told } = setUp();
  uses.request.mockRejectedValueOnce(new Problem("not_found"));
  await activate();
  await vi.advanceTimersByTimeAsync(60_000);
  expect(told).toEqual(["c not_found"]);
  expect(uses.request).toHaveBeenCalledTimes(1);
});

test("nothing is tried again where the socket broke or nobody listens any more", async () => {
  const { activation, activate, uses } = setUp();
  uses.request.mockRejectedValue(new Problem("overloaded"));
  await activate();
  activation.forget();
  expect(vi.getTimerCount()).toBe(0);
  await activate();
  uses.isListened = false;
  await vi.advanceTimersByTimeAsync(60_000);
  expect(uses.request).toHaveBeenCalledTimes(2);
  expect(vi.getTimerCount()).toBe(0);
});
