import { afterEach, beforeEach, expect, test } from "vitest";
import { newId } from "../../kit/ids.ts";
import { caller, openCharacters, problemOf } from "./characters.fixture.ts";

let world: Awaited<ReturnType<typeof openCharacters>>;
beforeEach(async () => {
  world = await openCharacters();
});
afterEach(() => world.close());

const names = async (query: object, by = caller()) =>
  (await world.characters.list(query, by)).items.map(({ name }) => name);

test("the list holds mine and the public ones, each once, newest first", async () => {
  const me = caller();
  const other = caller();
  await world.make(me, { name: "mine" });
  await world.make(other, { name: "theirs" });
  await world.make(other, { name: "open", visibility: "public" });
  await world.make(me, { name: "mine and open", visibility: "public" });
  expect(await names({}, me)).toEqual(["mine and open", "open", "mine"]);
  expect(await names({}, other)).toEqual(["mine and open", "open", "theirs"]);
  expect(await names({}, caller({ role: "owner" }))).toEqual(["mine and open", "open"]);
});

test("pages follow one another without gap or repeat, also where characters share their moment", async () => {
  const me = caller();
  const made: string[] = [];
  for (let i = 0; i < 23; i++) {
    if (i % 4 === 0) world.clock.jump(1_000);
    const by = i % 3 === 0 ? caller() : me;
    made.push(
      (await world.characters.create({ name: `${i}`, visibility: i % 2 ? "private" : "public" }, by)).id,
    );
  }
  const all = (await world.characters.list({ limit: 200 }, me)).items;
  const paged: string[] = [];
  let cursor: string | null = null;
  do {
    const page: Awaited<ReturnType<typeof world.characters.list>> = await world.characters.list(
      { limit: 4, ...(cursor !== null && { cursor }) },
      me,
    );
    expect(page.items.length).toBe(page.next_cursor ? 4 : all.length % 4 || 4);
    paged.push(...page.items.map(({ id }) => id));
    cursor = page.next_cursor;
  } while (cursor !== null);
  expect(paged).toEqual(all.map(({ id }) => id));
  expect(new Set(paged).size).toBe(paged.length);
  expect(paged).toEqual(paged.filter((id) => made.includes(id)));
});

test("without a limit fifty come at once", async () => {
  const me = caller();
  for (let i = 0; i < 51; i++) await world.make(me, { name: `${i}` });
  const page = await world.characters.list({}, me);
  expect([page.items.length, typeof page.next_cursor]).toEqual([50, "string"]);
});

test("a page of very large cards is cut short, and the next one goes on where it ended", async () => {
  const me = caller();
  for (let i = 0; i < 5; i++)
    await world.make(me, { name: `${i}`, alternate_greetings: ["x".repeat(900_000), "y".repeat(900_000)] });
  const first = await world.characters.list({}, me);
  expect(first.items.map(({ name }) => name)).toEqual(["4", "3"]);
  const second = await world.characters.list({ cursor: first.next_cursor as string }, me);
  expect(second.items.map(({ name }) => name)).toEqual(["2", "1"]);
});

test("q finds a part of the name or description, without case, and takes no sign as a wildcard", async () => {
  const me = caller();
  await world.make(me, { name: "Ångström 100%", description: "Likes BEES_and honey" });
  await world.make(me, { name: "Other", description: "honey!", creator_notes: "angstrom bees_" });
  for (const q of ["ÅNGSTRÖM", "a\u030angstro\u0308m", "100%", "bees_", "ström 1"])
    expect(await names({ q }, me)).toEqual(["Ångström 100%"]);
  expect(await names({ q: "HONEY" }, me)).toEqual(["Other", "Ångström 100%"]);
  expect(await names({ q: "honey!" }, me)).toEqual(["Other"]);
  for (const q of ["1%0", "b__s", "\\", "' or 1=1 --", "!%"]) expect(await names({ q }, me)).toEqual([]);
  expect(await names({ q: "" }, me)).toHaveLength(2);
});

test("q and tag follow a change", async () => {
  const me = caller();
  const { id } = await world.make(me, { name: "before", tags: ["old"] });
  await world.characters.update({ character_id: id, name: "after", tags: ["new"] }, me);
  expect([await names({ q: "before" }, me), await names({ tag: "old" }, me)]).toEqual([[], []]);
  expect([await names({ q: "after" }, me), await names({ tag: "new" }, me)]).toEqual([["after"], ["after"]]);
});

test("a tag matches whole and without case, whatever signs it is made of", async () => {
  const me = caller();
  const odd = ['say "hi"', "a,b", "[x]", "\\", "50%", "under_score", '","', "Ünï"];
  await world.make(me, { name: "odd", tags: odd });
  await world.make(me, { name: "plain", tags: ["a", "b", "Sci Fi", 'foo"bar'] });
  for (const tag of odd) expect(await names({ tag: tag.toUpperCase() }, me)).toEqual(["odd"]);
  expect(await names({ tag: "SCI fi" }, me)).toEqual(["plain"]);
  expect(await names({ tag: "b" }, me)).toEqual(["plain"]);
  for (const tag of [",", '"', "sci", "hi", "bar", "50", "%", "_", "under", "x", '"hi"'])
    expect(await names({ tag }, me)).toEqual([]);
});

test("a malformed cursor is refused, and never read as another place", async () => {
  const me = caller();
  await world.make(me, { name: "a" });
  await world.make(me, { name: "b" });
  const good = (await world.characters.list({ limit: 1 }, me)).next_cursor as string;
  expect(await names({ cursor: good }, me)).toEqual(["a"]);
  const b64 = (text: string) => Buffer.from(text).toString("base64url");
  for (const cursor of [
    "",
    "x",
    `${good}A`,
    `${good}=`,
    ` ${good}`,
    b64("1"),
    b64(`-1.${newId()}`),
    b64(`zzzzzzzzzzz.${newId()}`),
    b64("1.x"),
  ])
    expect(await problemOf(world.characters.list({ cursor }, me))).toMatchObject({
      code: "invalid_cursor",
      status: 422,
      paths: ["cursor"],
    });
});
