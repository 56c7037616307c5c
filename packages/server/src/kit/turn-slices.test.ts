import { setImmediate as turn } from "node:timers/promises";
import { expect, test } from "vitest";
import { createTurnSlices } from "./turn-slices.ts";

const SLICE_MS = 5;

function open() {
  let nowMs = 0;
  const done: string[] = [];
  const slices = createTurnSlices({ sliceMs: SLICE_MS, now: () => nowMs });
  return {
    done,
    /** Work that takes a while. */
    run: (name: string, ms: number, who?: { isHere: boolean }) =>
      slices.run(() => {
        nowMs += ms;
        done.push(name);
      }, who),
    runAsync: (name: string, ms: number) =>
      slices.run(async () => {
        await null;
        nowMs += ms;
        done.push(name);
      }),
  };
}

test("who comes alone is served at once, in whatever turn", async () => {
  const { run, done } = open();
  for (const name of ["a", "b", "c"]) {
    run(name, 100);
    expect(done.at(-1)).toBe(name);
    await turn();
    await turn();
  }
});

test("of many each has its place in the order, and a turn gives those who wait one slice", async () => {
  const { run, done } = open();
  const names = Array.from({ length: 20 }, (_, i) => `${i}`);
  for (const name of names) run(name, 2);
  expect(done).toHaveLength(8);
  let turns = 0;
  for (let before = done.length; done.length < names.length; before = done.length, turns++) {
    await turn();
    expect(done.length - before).toBeLessThanOrEqual(3);
  }
  expect(done).toEqual(names);
  expect(turns).toBeGreaterThan(3);
});

test("what goes on by promises counts too, and who comes later waits behind those who wait", async () => {
  const { run, runAsync, done } = open();
  run("first", 3 * SLICE_MS);
  for (let i = 0; i < 9; i++) runAsync(`slow ${i}`, SLICE_MS);
  await turn();
  run("late", 0);
  expect(done).not.toContain("late");
  while (!done.includes("late")) await turn();
  expect(done).toHaveLength(11);
  expect(done.at(-1)).toBe("late");
  run("alone", 0);
  await turn();
  expect(done.at(-1)).toBe("alone");
});

test("of those who are here and those who come anew one each has its turn, whoever are more", async () => {
  const { run, done } = open();
  run("first", 3 * SLICE_MS);
  for (const name of ["new 1", "new 2", "new 3", "new 4"]) run(name, 1);
  for (const name of ["here 1", "here 2"]) run(name, 1, { isHere: true });
  while (done.length < 7) await turn();
  expect(done).toEqual(["first", "here 1", "new 1", "here 2", "new 2", "new 3", "new 4"]);
});
