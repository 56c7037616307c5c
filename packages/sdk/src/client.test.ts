import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { createClient } from "./client.ts";
import { Problem } from "./contract/index.ts";

beforeEach(() => {
  vi.useFakeTimers();
  vi.spyOn(Math, "random").mockReturnValue(0.999);
});
afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

/** A client whose every call is answered with a problem; counts them. */
function refused(retryAfterS?: number) {
  const seen = { calls: 0 };
  const client = createClient({
    baseUrl: "http://x",
    async fetch() {
      seen.calls++;
      const problem = new Problem("draining", undefined, retryAfterS === undefined ? {} : { retryAfterS });
      return Response.json(problem.toDocument("r"), { status: problem.status });
    },
  });
  return { client, seen };
}

test("a stream that is refused for a while comes again when the server said, and no sooner", async () => {
  const { client, seen } = refused(7);
  const events = client.events("t", { retriesMax: 1 });
  const ended = events.next().catch((error: unknown) => error);
  await vi.advanceTimersByTimeAsync(6_999);
  expect(seen.calls).toBe(1);
  await vi.advanceTimersByTimeAsync(101);
  expect(seen.calls).toBe(2);
  expect(await ended).toMatchObject({ code: "draining" });
});

test("a wait before the next try ends with the caller's signal", async () => {
  const { client, seen } = refused(60);
  const leave = new AbortController();
  const ended = client.events("t", { signal: leave.signal }).next();
  const seenEnd = expect(ended).rejects.toThrow("enough");
  await vi.advanceTimersByTimeAsync(1_000);
  leave.abort(new Error("enough"));
  await seenEnd;
  expect(seen.calls).toBe(1);
  expect(vi.getTimerCount()).toBe(0);
});
