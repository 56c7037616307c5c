import { expect, test } from "vitest";
import { listed, partnersNamed } from "./partners.ts";

const all = ["Ottoline Marsh", "Otto", "Tamsin Reed", "Élodie", "Marshall"].map((name, id) => ({
  id: String(id),
  name,
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

test("a long list of names is cut, and says by how many", () => {
  expect(listed(Array.from({ length: 14 }, (_, n) => ({ id: "", name: `N${n}` })))).toMatch(
    /N11 and 2 more$/,
  );
});
