import { expect, test } from "vitest";
import { recentMap } from "./recent-map.ts";

test("what was used last stays, and who is told hears of what went", () => {
  const dropped: number[] = [];
  const kept = recentMap<string, number>(3, (value) => dropped.push(value));
  for (const n of [1, 2, 3]) kept.set(`${n}`, n);
  expect(kept.get("1")).toBe(1);
  kept.set("4", 4).set("5", 5);
  expect([...kept.keys()].sort()).toEqual(["1", "4", "5"]);
  expect(dropped).toEqual([2, 3]);
  kept.delete("1");
  expect([kept.size, dropped]).toEqual([2, [2, 3, 1]]);
});
