import { expect, test } from "vitest";
import { manualClock } from "../../kit/clock.ts";
import { createUserCache } from "./user-cache.ts";
import type { UserRow } from "./users.repository.ts";

/** A store of one user whose reads a test can hold back. */
function rig() {
  const clock = manualClock();
  const stored = { name: "Ann" };
  const reads: (() => void)[] = [];
  let isHeldBack = false;
  const cache = createUserCache({
    clock,
    async load() {
      const { name } = stored;
      if (isHeldBack) await new Promise<void>((resolve) => reads.push(resolve));
      return { display_name: name } as UserRow;
    },
  });
  const nameNow = async () => (await cache.get("a")).display_name;
  return {
    clock,
    cache,
    stored,
    nameNow,
    holdBack: () => {
      isHeldBack = true;
    },
    letThrough() {
      isHeldBack = false;
      for (const read of reads.splice(0)) read();
    },
  };
}

test("what this process changes is seen in the next call, what another changes within a second", async () => {
  const { clock, cache, stored, nameNow } = rig();
  expect(await nameNow()).toBe("Ann");
  stored.name = "Ben";
  cache.forget("a");
  expect(await nameNow()).toBe("Ben");
  stored.name = "Cleo";
  expect(await nameNow()).toBe("Ben");
  await clock.advance(1_000);
  expect(await nameNow()).toBe("Cleo");
});

test("a read that began before a change and ends after it is not kept", async () => {
  const { cache, stored, nameNow, holdBack, letThrough } = rig();
  holdBack();
  const early = nameNow();
  stored.name = "Ben";
  cache.forget("a");
  letThrough();
  expect(await early).toBe("Ann");
  expect(await nameNow()).toBe("Ben");
});
