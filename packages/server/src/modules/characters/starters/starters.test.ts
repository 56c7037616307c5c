import { afterEach, beforeEach, expect, test } from "vitest";
import { hasNulOrLoneSurrogate, stripControl } from "../../../kit/text.ts";
import { caller, filesInPlace, openCharacters, problemOf } from "../characters.fixture.ts";
import { starters } from "./index.ts";

let world: Awaited<ReturnType<typeof openCharacters>>;
beforeEach(async () => {
  world = await openCharacters();
});
afterEach(() => world.close());

test("there are at least three of ours, each complete enough to talk to at once", () => {
  expect(starters.length).toBeGreaterThanOrEqual(3);
  expect(new Set(starters.map(({ slug }) => slug)).size).toBe(starters.length);
  for (const { card } of starters) {
    for (const field of ["description", "personality", "scenario", "first_mes"] as const)
      expect(card[field]?.length, `${card.name}.${field}`).toBeGreaterThan(100);
    expect(card.mes_example?.match(/<START>/g)?.length).toBeGreaterThanOrEqual(2);
    expect(card.mes_example).toMatch(/^<START>\n\{\{user\}\}: .+\n\{\{char\}\}: /);
    expect(card.alternate_greetings?.length).toBeGreaterThanOrEqual(1);
    expect(card.tags?.length).toBeGreaterThanOrEqual(2);
    const text = JSON.stringify(card);
    expect(hasNulOrLoneSurrogate(text) || stripControl(text) !== text).toBe(false);
    expect(text).not.toMatch(/\{\{(?!char\}\}|user\}\}|original\}\})/);
  }
});

test("everyone sees ours, under the same ids everywhere, and nobody may change them", async () => {
  await world.characters.seedStarters();
  const other = await openCharacters();
  await other.characters.seedStarters();
  const seen = (await world.characters.list({}, caller())).items;
  const elsewhere = (await other.characters.list({}, caller())).items;
  await other.close();
  expect(seen.map(({ id }) => id)).toEqual(elsewhere.map(({ id }) => id));
  expect(seen).toHaveLength(starters.length);
  const boss = caller({ role: "owner" });
  for (const { id, owner_id, visibility, version } of seen) {
    expect([owner_id, visibility, version]).toEqual([null, "public", 1]);
    expect(await problemOf(world.characters.update({ character_id: id, name: "x" }, boss))).toMatchObject({
      code: "not_owner",
    });
    expect(await problemOf(world.characters.remove({ character_id: id }, boss))).toMatchObject({
      code: "not_owner",
    });
    expect(await world.characters.visibleTo(id, boss.principal.userId)).toMatchObject({
      id,
      isDeleted: false,
    });
  }
});

test("a start with nothing new writes nothing", async () => {
  await world.characters.seedStarters();
  let writes = 0;
  const write: typeof world.sql.write = (work) => {
    writes++;
    return world.sql.write(work);
  };
  const { createCharacters } = await import("../characters.ts");
  await createCharacters({
    sql: { ...world.sql, write },
    blobs: world.blobs,
    clock: world.clock,
    files: filesInPlace,
    forgetAnswers: async () => {},
  }).seedStarters();
  expect(writes).toBe(0);
});

test("a new text of ours is a new version, and the old one stays readable", async () => {
  await world.characters.seedStarters();
  const [first] = (await world.characters.list({}, caller())).items;
  const id = first?.id as string;
  await world.sql.write(async (tx) => {
    await tx
      .updateTable("character_versions")
      .set({ card: JSON.stringify({ name: "Draft", nickname: "D" }) })
      .where("character_id", "=", id)
      .execute();
  });
  const restarted = world.again();
  await restarted.seedStarters();
  await restarted.seedStarters();
  expect(await restarted.get({ character_id: id }, caller())).toMatchObject({
    version: 2,
    name: first?.name,
  });
  expect((await restarted.get({ character_id: id, version: 1 }, caller())).name).toBe("Draft");
  expect((await restarted.list({}, caller())).items).toHaveLength(starters.length);
});
