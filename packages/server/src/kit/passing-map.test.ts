import { expect, test } from "vitest";
import { createPassingMap } from "./passing-map.ts";

test("holds what was set last for each key, in the order in which the keys came", () => {
  const map = createPassingMap<string, number>();
  map.set("a", 1);
  map.set("b", 2);
  map.set("a", 3);
  expect(map.values()).toEqual([3, 2]);
  expect([map.get("a"), map.get("b"), map.get("c")]).toEqual([3, 2, undefined]);
  expect([map.has("a"), map.has("c")]).toEqual([true, false]);
});

test("knows nothing of a key that went, until it comes again", () => {
  const map = createPassingMap<string, number>();
  map.set("a", 1);
  map.delete("a");
  map.delete("a");
  expect([map.has("a"), map.get("a"), map.values()]).toEqual([false, undefined, []]);
  map.set("a", 2);
  expect(map.get("a")).toBe(2);
});
