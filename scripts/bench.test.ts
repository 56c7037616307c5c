import { spawnSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";

const root = join(import.meta.dirname, "..");
const bench = (...args: string[]) =>
  spawnSync(process.execPath, [join(root, "bench", "run.ts"), ...args], { encoding: "utf8" });
const runs = () => {
  const data = join(root, "bench", "data");
  return existsSync(data) ? readdirSync(data).filter((name) => name.startsWith("run-")) : [];
};

test("what the benchmarks do not know is one sentence, and leaves nothing behind", () => {
  const before = runs();
  expect(bench("--help")).toMatchObject({
    status: 0,
    stdout: expect.stringContaining("npm run bench -- <name>"),
  });
  const nope = bench("nope");
  expect([nope.status, nope.stderr]).toEqual([
    1,
    'bench: There is no bench "nope"; `npm run bench` lists them.\n',
  ]);
  const option = bench("relay", "--profil");
  expect([option.status, option.stderr]).toEqual([
    1,
    "bench: There is no option --profil; `npm run bench` lists what there is.\n",
  ]);
  expect(runs()).toEqual(before);
});
