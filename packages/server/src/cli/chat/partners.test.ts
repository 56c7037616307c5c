import { expect, test } from "vitest";
import { distinct, listed, partnersNamed } from "./partners.ts";

const all = ["Ottoline Marsh", "Otto", "Tamsin Reed", "Élodie", "Marshall"].map((name, id) => ({
  id: String(id),
  name,
  ownerId: null,
}));
const named = (wanted: string) => partnersNamed(all, wanted).map(({ name }) => name);

test("the very name wins over those that begin so, and a whole name over a word of one", () => {
  expect(named("otto")).toEqual(["Otto"]);
  expect(named("ott")).toEqual(["Ottoline Marsh", "Otto"]);
  expect(named("MARSH")).toEqual(["Marshall"]);
  expect(named("reed")).toEqual(["Tamsin Reed"]);
  expect(named("E\u0301lo")).toEqual(["Élodie"]);
});

test("a name that nobody has is answered by the nearest, or by who there is", () => {
  expect(() => named("tamsn")).toThrow('did you mean "Tamsin Reed"?');
  expect(() => named("zzzzzz")).toThrow("there are Ottoline Marsh, Otto, Tamsin Reed, Élodie, Marshall.");
});

test("who there is names each name once", () => {
  expect(() => partnersNamed([...all, ...all], "zzzzzz")).toThrow(
    "there are Ottoline Marsh, Otto, Tamsin Reed, Élodie, Marshall.",
  );
});

test("a long list of names is cut, and says by how many", () => {
  expect(listed(Array.from({ length: 14 }, (_, n) => ({ id: "", name: `N${n}`, ownerId: null })))).toMatch(
    /N11 and 2 more$/,
  );
});

test("of two of one name the own one is meant, and of two own ones the newest", () => {
  const of = (id: string, name: string, ownerId: string | null) => ({ id, name, ownerId });
  const meant = distinct([
    of("1", "Otto", null),
    of("2", "otto", "me"),
    of("3", "Otto", "me"),
    of("4", "Ada", null),
  ]);
  expect(meant.map(({ id }) => id)).toEqual(["2", "4"]);
});
