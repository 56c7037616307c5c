import { expect, test } from "vitest";
import { oneByOne } from "./one-by-one.ts";

test("steps are done in order, and one that fails keeps none of the others from being done", async () => {
  const done: string[] = [];
  const failures: unknown[] = [];
  const steps = [
    async () => {
      await new Promise(setImmediate);
      done.push("slow");
    },
    () => {
      throw new Error("at once");
    },
    async () => {
      throw new Error("later");
    },
    () => done.push("last"),
  ];
  await oneByOne(steps, (error) => failures.push((error as Error).message));
  expect([done, failures]).toEqual([
    ["slow", "last"],
    ["at once", "later"],
  ]);
});
