import { afterAll, beforeAll, expect, test } from "vitest";
import { newId } from "../../kit/ids.ts";
import { caller, filesInPlace, openCharacters, problemOf } from "./characters.fixture.ts";
import { createCharacters } from "./characters.ts";

let world: Awaited<ReturnType<typeof openCharacters>>;
beforeAll(async () => {
  world = await openCharacters();
});
afterAll(() => world.close());

const get = (character_id: string, by = caller(), version?: number) =>
  world.characters.get({ character_id, ...(version !== undefined && { version }) }, by);

test("what is left out of a new character takes its default, and reads back as it was answered", async () => {
  const me = caller();
  const made = await world.make(me, { name: "Mira", tags: ["Bees"] });
  expect(made).toEqual({
    id: made.id,
    version: 1,
    owner_id: me.principal.userId,
    visibility: "private",
    avatar_url: null,
    name: "Mira",
    description: "",
    personality: "",
    scenario: "",
    first_mes: "",
    mes_example: "",
    creator_notes: "",
    system_prompt: "",
    post_history_instructions: "",
    alternate_greetings: [],
    tags: ["Bees"],
    creator: "",
    character_version: "",
    extensions: {},
    created_at: made.created_at,
    updated_at: made.created_at,
  });
  expect(await get(made.id, me)).toEqual(made);
});

test("a create repeated with the id of a lost answer gives the character that is there", async () => {
  const id = newId();
  const me = caller({ newId: () => id });
  const made = await world.characters.create({ name: "Once" }, me);
  expect(await world.characters.create({ name: "Once" }, me)).toEqual(made);
  expect((await world.characters.list({}, me)).items.filter((c) => c.name === "Once")).toHaveLength(1);
});

test("every change makes a version, nothing changed makes none, and old versions stay readable", async () => {
  const me = caller();
  const { id } = await world.make(me, { name: "Mira", description: "one" });
  const update = (fields: object) => world.characters.update({ character_id: id, ...fields }, me);
  world.clock.jump(5_000);
  const second = await update({ description: "two", extensions: { a: { b: 1 } } });
  expect([second.version, second.description, second.name]).toEqual([2, "two", "Mira"]);
  expect(second.updated_at > second.created_at).toBe(true);
  for (const same of [
    {},
    { description: "two" },
    { personality: "" },
    { extensions: { a: { b: 1 } } },
    { visibility: "private" },
  ])
    expect(await update(same)).toEqual(second);
  expect((await update({ extensions: { c: 1 } })).extensions).toEqual({ c: 1 });
  expect((await update({ visibility: "public" })).version).toBe(4);
  const old = await get(id, me, 1);
  expect([old.version, old.description, old.updated_at]).toEqual([1, "one", old.created_at]);
  expect(await problemOf(get(id, me, 5))).toMatchObject({ code: "not_found" });
});

test("changes at once each make their own version, none lost", async () => {
  const me = caller();
  const { id } = await world.make(me, { name: "Mira" });
  const names = ["a", "b", "c", "d"] as const;
  await Promise.all(
    names.map((extension) => world.characters.update({ character_id: id, creator: extension }, me)),
  );
  expect((await get(id, me)).version).toBe(5);
  const creators = await Promise.all(
    [2, 3, 4, 5].map(async (version) => (await get(id, me, version)).creator),
  );
  expect(creators.sort()).toEqual([...names]);
});

test("If-Match lets a change through for the newest version alone", async () => {
  const userId = newId();
  const me = caller({ userId });
  const { id } = await world.make(me, { name: "Mira" });
  const update = (ifMatch: string, creator: string) =>
    world.characters.update({ character_id: id, creator }, caller({ userId, ifMatch }));
  expect((await update('"1"', "a")).version).toBe(2);
  expect((await update("*", "b")).version).toBe(3);
  expect((await update('"9", "3"', "c")).version).toBe(4);
  for (const stale of ['"1"', 'W/"4"', "4", '"04"', "", "x"]) {
    const problem = await problemOf(update(stale, "d"));
    expect(problem).toMatchObject({ code: "version_conflict", status: 412 });
    expect(problem.detail).toContain('If-Match: "4"');
  }
  expect((await get(id, me)).creator).toBe("c");
});

test("a private character does not exist for anyone else, the owner's role included", async () => {
  const me = caller();
  const { id } = await world.make(me, { name: "Secret canary" });
  for (const other of [caller(), caller({ role: "owner" })]) {
    for (const call of [
      get(id, other),
      get(id, other, 1),
      world.characters.update({ character_id: id, name: "x" }, other),
      world.characters.remove({ character_id: id }, other),
    ])
      expect(await problemOf(call)).toMatchObject({ code: "not_found", status: 404 });
    const mine = await problemOf(get(id, other));
    expect(mine).toEqual(await problemOf(get(newId(), other)));
    expect(JSON.stringify(await world.characters.list({ q: "canary" }, other))).not.toContain("canary");
    expect(await world.characters.visibleTo(id, other.principal.userId)).toBeNull();
  }
});

test("a public character is everyone's to read and its owner's to change", async () => {
  const me = caller();
  const { id } = await world.make(me, { name: "Open", visibility: "public" });
  const other = caller({ role: "owner" });
  expect((await get(id, other)).name).toBe("Open");
  expect(await problemOf(world.characters.update({ character_id: id, name: "x" }, other))).toMatchObject({
    code: "not_owner",
    status: 403,
  });
  expect(await problemOf(world.characters.remove({ character_id: id }, other))).toMatchObject({
    code: "not_owner",
  });
  await world.characters.update({ character_id: id, visibility: "private" }, me);
  expect(await problemOf(get(id, other))).toMatchObject({ code: "not_found" });
});

test("a malformed id is 404 for every call", async () => {
  const me = caller();
  for (const character_id of ["", "x", newId().toUpperCase(), "' or 1=1 --"]) {
    expect(await problemOf(get(character_id, me))).toMatchObject({ code: "not_found" });
    expect(await problemOf(world.characters.update({ character_id, name: "x" }, me))).toMatchObject({
      code: "not_found",
    });
    expect(await problemOf(world.characters.remove({ character_id }, me))).toMatchObject({
      code: "not_found",
    });
    expect(await world.characters.forTurn(character_id)).toBeNull();
  }
});

test("a deleted character is gone for all readers, its owner may delete it again, and turns still find it", async () => {
  const me = caller();
  const other = caller();
  const { id } = await world.make(me, { name: "Brief", visibility: "public", description: "was here" });
  expect(await world.characters.forTurn(id)).toMatchObject({ isDeleted: false });
  expect(await world.characters.remove({ character_id: id }, me)).toBeUndefined();
  await world.characters.remove({ character_id: id }, me);
  for (const call of [
    get(id, me),
    get(id, me, 1),
    get(id, other),
    world.characters.update({ character_id: id, name: "x" }, me),
    world.characters.remove({ character_id: id }, other),
  ])
    expect(await problemOf(call)).toMatchObject({ code: "not_found" });
  expect((await world.characters.list({ q: "brief" }, me)).items).toEqual([]);
  expect(await world.characters.forTurn(id)).toMatchObject({
    isDeleted: true,
    description: "was here",
    version: 1,
  });
  expect(await world.again().forTurn(id)).toMatchObject({ isDeleted: true });
});

test("a turn sees the newest version as soon as a change is answered, and the same object until then", async () => {
  const me = caller();
  const { id } = await world.make(me, { name: "Mira", description: "one", nickname: "Mi" });
  const first = await world.characters.forTurn(id);
  expect(first).toMatchObject({ id, version: 1, description: "one", nickname: "Mi" });
  expect(await world.characters.forTurn(id)).toBe(first);
  const racing = world.characters.forTurn(id);
  await world.characters.update({ character_id: id, description: "two" }, me);
  await racing;
  expect(await world.characters.forTurn(id)).toMatchObject({ version: 2, description: "two" });
  expect(await world.characters.forTurn(newId())).toBeNull();
});

test("a read that was under way during a change does not bring the old version back", async () => {
  const me = caller();
  const { id } = await world.make(me, { name: "Mira", description: "old" });
  const answer = Promise.withResolvers<void>();
  const slowRead = world.sql.read.withPlugin({
    transformQuery: ({ node }) => node,
    transformResult: async ({ result }) => {
      await answer.promise;
      return result;
    },
  });
  const characters = createCharacters({
    sql: { ...world.sql, read: slowRead },
    blobs: world.blobs,
    clock: world.clock,
    files: filesInPlace,
    forgetAnswers: async () => {},
  });
  const before = characters.forTurn(id);
  await new Promise(setImmediate);
  await characters.update({ character_id: id, description: "new" }, me);
  answer.resolve();
  expect(await before).toMatchObject({ description: "old" });
  expect(await characters.forTurn(id)).toMatchObject({ description: "new" });
});

test("erasing a user empties every version, also of what others talk to; others keep theirs", async () => {
  const me = caller();
  const other = caller();
  const kept = await world.make(other, { name: "Kept" });
  const { id } = await world.make(me, { name: "Canary one", visibility: "public", tags: ["canary"] });
  await world.characters.update({ character_id: id, description: "canary two" }, me);
  await world.make(me, { name: "Canary three" });
  await world.characters.forTurn(id);
  await world.characters.eraseOwnedBy(me.principal.userId);
  await world.characters.eraseOwnedBy(me.principal.userId);
  expect(await world.characters.forTurn(id)).toMatchObject({ isDeleted: true, name: "", description: "" });
  expect(
    (await world.characters.list({}, me)).items.filter((c) => c.owner_id === me.principal.userId),
  ).toEqual([]);
  const rows = [
    await world.sql.read
      .selectFrom("characters")
      .selectAll()
      .where("owner_id", "=", me.principal.userId)
      .execute(),
    await world.sql.read
      .selectFrom("character_versions")
      .selectAll()
      .where("character_id", "=", id)
      .execute(),
  ];
  expect(JSON.stringify(rows)).not.toMatch(/canary/i);
  expect(await get(kept.id, other)).toEqual(kept);
});

test("an export holds every character of the user in every version, deleted ones too, and no one else's", async () => {
  const me = caller();
  await world.make(caller(), { name: "Not mine", visibility: "public" });
  const { id } = await world.make(me, { name: "Mine" });
  await world.characters.update({ character_id: id, name: "Still mine" }, me);
  const gone = await world.make(me, { name: "Gone" });
  await world.characters.remove({ character_id: gone.id }, me);
  const exported = [];
  for await (const character of world.characters.exportOwnedBy(me.principal.userId)) {
    exported.push({ ...character, versions: await Array.fromAsync(character.versions) });
  }
  expect(exported.map((c) => [c.id, c.deleted_at !== undefined, c.versions.map((v) => v.version)])).toEqual([
    [id, false, [1, 2]],
    [gone.id, true, [1]],
  ]);
  expect(exported[0]?.versions[1]?.card).toMatchObject({
    spec: "chara_card_v2",
    data: { name: "Still mine" },
  });
});
