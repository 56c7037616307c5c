import { setImmediate } from "node:timers/promises";
import { expect, test } from "vitest";
import { clearHeap } from "./clear-heap.ts";

test("what nobody holds any more is gone, where there is more than may be", async () => {
  let held: object | null = { text: "a character card" };
  const seen = new WeakRef(held);
  const isThere = () => seen.deref() !== undefined;
  await setImmediate(); // what a weak reference was asked for stays until the turn of the loop ends
  expect(clearHeap(0)).toBe(true);
  expect(isThere()).toBe(true);
  expect(held).toEqual({ text: "a character card" });

  held = null;
  await setImmediate();
  expect(clearHeap(0)).toBe(true);
  expect(isThere()).toBe(false);
});

test("a heap that holds no more than may be is left alone", () => {
  expect(clearHeap(Number.POSITIVE_INFINITY)).toBe(false);
});
