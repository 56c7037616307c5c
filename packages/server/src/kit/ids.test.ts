import { expect, test } from "vitest";
import { derivedId, isId, newId } from "./ids.ts";

test("a derived id is a UUIDv8, the same for the same parts and no others", () => {
  const id = derivedId("turn", "a", "bc");
  expect(isId(id)).toBe(true);
  expect(id[14]).toBe("8");
  expect("89ab").toContain(id[19]);
  expect(derivedId("turn", "a", "bc")).toBe(id);
  expect(derivedId("turn", "ab", "c")).not.toBe(id);
});

test("fresh ids are UUIDv7, and no two are the same", () => {
  const ids = Array.from({ length: 100 }, newId);
  expect(ids.every((id) => isId(id) && id[14] === "7")).toBe(true);
  expect(new Set(ids).size).toBe(100);
});
