import { Problem } from "@parley-chat/sdk/contract/problem";
import fc from "fast-check";
import { expect, test } from "vitest";
import { type Card, changeCard, fieldsOf, fileOf, readCard, specOf } from "./card.ts";

type Whole = Extract<Parameters<typeof readCard>[0], { data: unknown }>;
const whole = (data: object, around: object = {}): Whole =>
  ({ spec: "chara_card_v2", spec_version: "2.0", ...around, data: { name: "Mira", ...data } }) as Whole;
const problemOf = (run: () => unknown): Problem => {
  try {
    run();
  } catch (error) {
    if (error instanceof Problem) return error;
    throw error;
  }
  throw new Error("no problem was thrown");
};

test("what only others know of a card is kept, inside data and around it, at every depth", () => {
  const input = whole(
    {
      pronouns: { they: [1, null, "x"] },
      extensions: { depth_prompt: { depth: 4 } },
      character_book: { entries: [{ keys: ["a"], content: "b", probability: 7 }], scan_depth: 3 },
      assets: [{ type: "icon", uri: "ccdefault:", name: "main", ext: "png", size: 12 }],
    },
    { name: "Mira", chat: "2023", visibility: "public" },
  );
  const { visibility: _, ...file } = input as Whole & { visibility?: string };
  const left = fileOf(readCard(input)) as { data: object };
  expect(left).toMatchObject(file);
  expect(Object.keys(left)).not.toContain("visibility");
});

test("unknown fields show in the answer, but none that is called like one of ours", () => {
  const fields = fieldsOf(
    readCard(whole({ pronouns: "they", id: "evil", owner_id: "evil", version: "7", avatar_url: "evil" })),
  );
  expect(fields).toMatchObject({ name: "Mira", pronouns: "they" });
  for (const own of ["id", "owner_id", "version", "avatar_url"]) expect(fields).not.toHaveProperty(own);
  expect(fileOf(readCard(whole({ version: "7" })))).toMatchObject({ data: { version: "7" } });
});

test("a card leaves in the specification it came in; one made here is V3 if it has V3 fields", () => {
  const spec = (card: Card) => specOf(card).spec;
  expect(specOf(readCard(whole({}, { spec: "chara_card_v3", spec_version: "3.1" })))).toEqual({
    spec: "chara_card_v3",
    spec_version: "3.1",
  });
  expect(spec(readCard(whole({ nickname: "x" })))).toBe("chara_card_v2");
  const made = readCard({ name: "Mira" });
  expect(spec(made)).toBe("chara_card_v2");
  expect(spec(changeCard(made, { nickname: "Mi" }) as Card)).toBe("chara_card_v3");
  expect(fileOf(readCard({ name: "Mira", source: [] }))).toMatchObject({
    spec: "chara_card_v3",
    spec_version: "3.0",
    data: { group_only_greetings: [], alternate_greetings: [] },
  });
});

test("a wrong type inside a whole card is one sentence with the path of the field", () => {
  const cases: [object, string][] = [
    [{ tags: "a, b" }, "data.tags"],
    [{ tags: ["a", 7] }, "data.tags.1"],
    [{ description: null }, "data.description"],
    [{ description: 7 }, "data.description"],
    [{ name: " \u200b" }, "data.name"],
    [{ name: null }, "data.name"],
    [{ name: "n".repeat(201) }, "data.name"],
    [{ extensions: [] }, "data.extensions"],
    [{ alternate_greetings: {} }, "data.alternate_greetings"],
    [{ character_book: { entries: [{ keys: ["a"] }] } }, "data.character_book.entries.0.content"],
    [{ character_book: { entries: [{ keys: "a", content: "" }] } }, "data.character_book.entries.0.keys"],
    [{ character_book: {} }, "data.character_book.entries"],
    [{ creation_date: 1.5 }, "data.creation_date"],
    [{ creator_notes_multilingual: { de: 1 } }, "data.creator_notes_multilingual.de"],
    [{ tags: Array(1_001).fill("a") }, "data.tags"],
    [{ description: "x".repeat(1_000_001) }, "data.description"],
  ];
  for (const [data, path] of cases) {
    const problem = problemOf(() => readCard(whole(data)));
    expect([problem.code, problem.status, problem.errors?.map((e) => e.path)]).toEqual([
      "invalid_card",
      422,
      [path],
    ]);
    expect(problem.detail).toMatch(new RegExp(`^${path.replaceAll(".", "\\.")} (must|may|is) .*\\.$`));
  }
});

test("all wrong fields are named, and a specification that is none", () => {
  const problem = problemOf(() => readCard(whole({ tags: 1, personality: [] }, { spec: "toString" })));
  expect(problem.errors?.map((e) => e.path)).toEqual(["spec", "data.personality", "data.tags"]);
});

test("null stands for none in an optional field of a whole card, and leaves as it came", () => {
  const card = readCard(whole({ character_book: null, nickname: null }));
  expect(fieldsOf(card)).not.toHaveProperty("character_book");
  expect(fileOf(card)).toMatchObject({ data: { character_book: null, nickname: null } });
});

test("NUL, half surrogate pairs, prototype fields and endless depth are refused wherever they stand", () => {
  const deep = JSON.parse(`${"[".repeat(200)}${"]".repeat(200)}`);
  const proto = JSON.parse('{"a":{"__proto__":{"isAdmin":true}}}');
  const cases: [unknown, RegExp][] = [
    ["a\0b", /NUL/],
    ["\ud800", /NUL/],
    [["ok", { "k\0": 1 }], /NUL/],
    [proto, /not a name/],
    [deep, /100 deep/],
    [JSON.parse("1e999"), /too large/],
  ];
  for (const [value, message] of cases) {
    const inside = problemOf(() => readCard(whole({ extensions: { x: value } })));
    expect([inside.code, inside.detail]).toEqual(["invalid_card", expect.stringMatching(message)]);
    expect(inside.errors?.[0]?.path).toMatch(/^data\.extensions\.x/);
    expect(problemOf(() => readCard(whole({}, { around: value }))).code).toBe("invalid_card");
    const flat = problemOf(() => readCard({ name: "Mira", extensions: { x: value } }));
    expect([flat.code, flat.errors?.[0]?.path]).toEqual([
      "validation_failed",
      expect.stringMatching(/^extensions\.x/),
    ]);
    expect(problemOf(() => changeCard(readCard({ name: "a" }), { extensions: { x: value } })).code).toBe(
      "validation_failed",
    );
  }
  expect(({} as { isAdmin?: boolean }).isAdmin).toBeUndefined();
});

test("a field called constructor or prototype is a field like any other", () => {
  const card = readCard(whole({ constructor: { prototype: { a: 1 } }, toString: "x", hasOwnProperty: 1 }));
  expect(fileOf(card)).toMatchObject({ data: { constructor: { prototype: { a: 1 } }, hasOwnProperty: 1 } });
});

test("a name must show something", () => {
  for (const name of [" ", "\u200b", "\u3164\n"]) {
    expect(problemOf(() => readCard({ name })).errors?.[0]?.path).toBe("name");
    expect(problemOf(() => changeCard(readCard({ name: "a" }), { name })).errors?.[0]?.path).toBe("name");
  }
});

test("a change follows into the older format's fields around data, so that no reader sees two cards", () => {
  const card = readCard(whole({ description: "old" }, { name: "Mira", description: "old", chat: "x" }));
  const changed = changeCard(card, { description: "new", personality: "kind" }) as Card;
  expect(changed.envelope).toEqual({
    spec: "chara_card_v2",
    spec_version: "2.0",
    name: "Mira",
    description: "new",
    chat: "x",
  });
  expect(changed.data).toMatchObject({ description: "new", personality: "kind" });
});

test("a card cannot grow beyond what can be sent in", () => {
  const greetings = Array.from({ length: 10 }, () => "x".repeat(1_000_000));
  const card = readCard({ name: "a", alternate_greetings: greetings });
  expect(problemOf(() => changeCard(card, { group_only_greetings: greetings })).code).toBe(
    "payload_too_large",
  );
  const items = (prefix: string) => Object.fromEntries([[prefix, Array(70_000).fill(0)]]);
  const many = readCard({ name: "a", extensions: items("a") });
  const { code, detail } = problemOf(() =>
    changeCard(many, { creator_notes_multilingual: items("b") as never }),
  );
  expect([code, detail]).toEqual([
    "validation_failed",
    "With this change the card has more than 125000 fields and items.",
  ]);
});

test("whatever JSON a card holds, it is kept to the letter or refused with a problem", () => {
  const json = fc.jsonValue({ maxDepth: 4, noUnicodeString: false });
  fc.assert(
    fc.property(fc.dictionary(fc.string(), json), fc.dictionary(fc.string(), json), (data, around) => {
      const input = JSON.parse(JSON.stringify(whole(data, { ...around, spec: "chara_card_v3" })));
      let card: Card;
      try {
        card = readCard(input);
      } catch (error) {
        expect(error).toBeInstanceOf(Problem);
        return;
      }
      const { visibility: _, ...expected } = input;
      expect(JSON.parse(JSON.stringify(card))).toEqual({
        data: expected.data,
        envelope: Object.fromEntries(Object.entries(expected).filter(([name]) => name !== "data")),
      });
      expect(fileOf(card)).toMatchObject(expected);
      expect(fieldsOf(card).name).toBe(input.data.name);
    }),
  );
});
