import { inspect } from "node:util";
import { afterAll, describe, expect, test } from "vitest";
import { connectFaults } from "./openai/faults/connect.fixture.ts";
import { call, type Fault, KEY_CANARY, SAID, TEXT_CANARY } from "./openai/faults/scene.fixture.ts";
import { statusFaults } from "./openai/faults/status.fixture.ts";
import { streamFaults } from "./openai/faults/stream.fixture.ts";
import { timeFaults } from "./openai/faults/time.fixture.ts";
import { usageFaults } from "./openai/faults/usage.fixture.ts";

const groups: Record<string, Fault[]> = {
  connect: connectFaults,
  status: statusFaults,
  time: timeFaults,
  stream: streamFaults,
  usage: usageFaults,
};

/** What each fault came to: the whole answer, a clean error, or a lie, a hang, a leak. */
const results: string[] = [];

for (const [group, faults] of Object.entries(groups)) {
  describe(`a provider with a fault of ${group} is either rescued or fails cleanly`, () => {
    test.each(faults)("$name", async (fault) => {
      const row = results.push(`${group} · ${fault.name}: fail`) - 1;
      const cleanUp: (() => void)[] = [];
      const options = typeof fault.call === "function" ? await fault.call(cleanUp) : fault.call;
      const { end, said, pieces, lateText, calls } = await call(options).finally(() => {
        for (const clean of cleanUp) clean();
      });
      expect(lateText).toBe(false);
      expect(pieces.every((piece) => piece.isWellFormed() && !piece.includes("\0"))).toBe(true);
      expect(calls).toBeLessThanOrEqual(1);
      if (end.kind === "failed") {
        expect(end.detail).toMatch(/^[A-Z].*\.$/s);
        expect(inspect(end, { depth: 10 })).not.toContain(KEY_CANARY);
        expect(inspect(end, { depth: 10 })).not.toContain(TEXT_CANARY);
      }
      const { says = SAID, retryAfterS, ...expected } = fault.expect;
      if (end.kind === "failed") expect(end.retryAfterS).toBe(retryAfterS);
      expect(end).toMatchObject(expected);
      if (end.kind === "completed" || fault.expect.says !== undefined) expect(said).toEqual(says);
      else expect(SAID.startsWith(said)).toBe(true);
      results[row] = `${group} · ${fault.name}: ${end.kind === "completed" ? "pass" : "safe"}`;
    });
  });
}

afterAll(() => {
  console.log(results.join("\n"));
  expect(results.filter((result) => result.endsWith(": fail"))).toEqual([]);
});
