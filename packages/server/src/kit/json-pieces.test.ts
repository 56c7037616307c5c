import { expect, test } from "vitest";
import { jsonPieces } from "./json-pieces.ts";

async function* listOf(...items: unknown[]) {
  yield* items;
}
const textOf = async (value: unknown) => (await Array.fromAsync(jsonPieces(value))).join("");

test("lists that come by and by make the JSON of the same arrays, nested ones and empty ones too", async () => {
  const value = {
    user: { id: "é😀" },
    none: listOf(),
    absent: undefined,
    many: listOf({ id: 1, inner: listOf("a", null) }, [], { inner: listOf() }),
  };
  expect(JSON.parse(await textOf(value))).toEqual({
    user: { id: "é😀" },
    none: [],
    many: [{ id: 1, inner: ["a", null] }, [], { inner: [] }],
  });
  expect(await textOf({ a: [1] })).toBe('{"a":[1]}');
});

test("nothing is read before it is asked for", async () => {
  let read = 0;
  async function* endless() {
    for (;;) yield ++read;
  }
  const pieces = jsonPieces({ all: endless() });
  for (let n = 0; n < 10; n++) await pieces.next();
  expect(read).toBeLessThan(10);
  await pieces.return(undefined);
});
