import { expect, test } from "vitest";
import { announced } from "../lib/announce.ts";
import type { Characters, ImportedCard } from "./characters.ts";
import { createImports } from "./imports.ts";

const file = (name: string) => new File(["{}"], name);

test("a file beyond what any card needs is refused before it is sent, and says why", async () => {
  const imports = createImports({ characters: { importCard: () => Promise.reject(new Error("was sent")) } });
  const large = new File([new Uint8Array(16 * 1024 * 1024 + 1)], "film.png");
  await imports.add([large]);
  expect(imports.list.get()).toMatchObject([
    { status: "failed", text: "film.png: The file is larger than 16 MB, more than any card needs." },
  ]);
});

test("an import that ends after its person signed out is not told to the next one", async () => {
  const finish: ((card: ImportedCard) => void)[] = [];
  const importCard: Characters["importCard"] = () => new Promise((resolve) => finish.push(resolve));
  const imports = createImports({ characters: { importCard } });
  const adding = imports.add([file("a.json"), file("b.json")]);
  expect(imports.list.get()).toMatchObject([{ file: "a.json", status: "reading" }]);
  const { count } = announced.get();
  imports.close();
  finish[0]?.({ character: { id: "a", name: "Ann" }, report: { warnings: [] } } as unknown as ImportedCard);
  await adding;
  expect(announced.get().count).toBe(count);
  expect(finish).toHaveLength(1);
  expect(createImports({ characters: { importCard } }).list.get()).toEqual([]);
});
