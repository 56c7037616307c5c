import { expect, test } from "vitest";
import { createKeyedQueue } from "./keyed-queue.ts";

test("works of one key run one after another, also behind one that fails; other keys do not wait", async () => {
  const queue = createKeyedQueue();
  const log: string[] = [];
  const work = (name: string, error?: Error) => async () => {
    log.push(`${name} begins`);
    await new Promise((resolve) => setImmediate(resolve));
    log.push(`${name} ends`);
    if (error) throw error;
    return name;
  };
  const first = queue("a", work("a1", new Error("no")));
  const all = [queue("a", work("a2")), queue("b", work("b1"))];
  await expect(first).rejects.toThrow("no");
  expect(await Promise.all(all)).toEqual(["a2", "b1"]);
  expect(log.filter((line) => line.startsWith("a"))).toEqual([
    "a1 begins",
    "a1 ends",
    "a2 begins",
    "a2 ends",
  ]);
  expect(log.indexOf("b1 begins")).toBeLessThan(log.indexOf("a1 ends"));
});
