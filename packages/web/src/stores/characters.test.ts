import type { Character, Client } from "@parley-chat/sdk";
import { expect, test } from "vitest";
import { createCharacters } from "./characters.ts";

/** A server with so many characters, each large enough to fill a page. */
function setUp(count: number) {
  let asked = 0;
  const list = async ({ cursor = "0" }: { cursor?: string }) => {
    asked++;
    const next = Number(cursor) + 1;
    return { items: [{ id: cursor } as Character], next_cursor: next < count ? String(next) : null };
  };
  const characters = createCharacters({ client: { characters: { list } } as unknown as Client });
  return { characters, asked: () => asked };
}

test("characters so large that each has a page of its own are all read", async () => {
  const { characters } = setUp(25);
  await characters.load();
  expect(characters.list.get()).toMatchObject({ status: "ready" });
  expect(characters.list.get().items.map(({ id }) => Number(id))).toEqual(
    Array.from({ length: 25 }, (_, n) => n),
  );
});

test("reading ends after 2,000 characters", async () => {
  const { characters, asked } = setUp(Number.POSITIVE_INFINITY);
  await characters.load();
  expect(characters.list.get().items).toHaveLength(2_000);
  expect(asked()).toBe(2_000);
});
