import { expect, test } from "vitest";
import { memoryStorage } from "./fixture.ts";
import { createLeaseLock } from "./tab-lock.ts";

test("without the browser's locks a lease keeps tabs apart, and one that was closed holds nobody up", async () => {
  const storage = memoryStorage();
  let time = 1_000;
  const uses = {
    storage,
    now: () => time,
    random: () => 0.5,
    pause: async (ms: number) => {
      time += ms;
    },
  };
  storage.setItem("parley.lock.x", `${time + 5_000}.of-a-tab-that-was-closed`);
  const lock = createLeaseLock(uses);
  const startedAt = await lock("x", async () => time);
  expect(startedAt).toBeGreaterThan(5_999);
  expect(startedAt).toBeLessThan(7_000);
  expect(storage.length).toBe(0);
});
