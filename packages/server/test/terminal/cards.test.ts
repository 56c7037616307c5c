import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { newDataDir, runParley, startServer } from "../rig/server.ts";

const card = (name: string) =>
  JSON.stringify({
    spec: "chara_card_v2",
    spec_version: "2.0",
    data: {
      name,
      description: `${name} is here.`,
      first_mes: "Hello.",
      extensions: { other_tool: { kept: [1, 2] } },
    },
  });

async function scene() {
  const server = await startServer();
  const folder = newDataDir();
  return {
    server,
    folder,
    parley: (...args: string[]) => runParley(args, { dataDir: server.dataDir }),
  };
}

const readLines = (text: string) =>
  text
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));

test("each file is a line with its outcome; one that cannot be read keeps no other out and makes the status 1", async () => {
  const { server, folder, parley } = await scene();
  const good = join(folder, "good.json");
  const broken = join(folder, "broken.png");
  writeFileSync(good, card("Nell"));
  writeFileSync(broken, Buffer.from("89504e470d0a1a0a00000000", "hex"));
  const { code, stdout, stderr } = await parley("import", broken, join(folder, "none.png"), folder, good);
  expect(code).toBe(1);
  const lines = stdout.trimEnd().split("\n");
  expect(lines[0]).toMatch(/^failed {4}.*broken\.png: .+\.$/);
  expect(lines[1]).toContain("none.png: There is no such file.");
  expect(lines[2]).toContain("This is a folder; name the files in it.");
  expect(lines[3]).toBe(`imported  ${good}: Nell (V2)`);
  expect(stderr).toContain("1 of 4 imported.");
  const { items } = await server.owner.characters.list({ q: "Nell" });
  expect(items).toHaveLength(1);

  const json = await parley("import", "--json", good, broken);
  expect(json.code).toBe(1);
  expect(readLines(json.stdout)).toMatchObject([
    { file: good, ok: true, character: { name: "Nell" }, report: { format: "chara_card_v2" } },
    { file: broken, ok: false, problem: { code: "invalid_card" } },
  ]);
  await server.kill("SIGTERM");
});

test("what is exported imports as the same character, as JSON and as PNG", async () => {
  const { server, folder, parley } = await scene();
  writeFileSync(join(folder, "one.json"), card("Nell / Nora"));
  expect((await parley("import", join(folder, "one.json"))).code).toBe(0);
  const [first] = (await server.owner.characters.list({ q: "Nell" })).items;
  for (const format of ["json", "png"]) {
    const to = join(folder, format);
    const { code, stdout } = await parley("export", "nell", "--format", format, "--to", to, "--json");
    expect(code).toBe(0);
    const [{ file }] = readLines(stdout);
    expect(file).toBe(join(to, `Nell _ Nora.${format}`));
    const again = await parley("import", file, "--json");
    const [{ character }] = readLines(again.stdout);
    const found = await server.owner.characters.get({ character_id: character.id });
    for (const name of ["description", "first_mes", "extensions", "name"] as const) {
      expect(found[name]).toEqual(first?.[name]);
    }
    await server.owner.characters.remove({ character_id: character.id });
  }
  await server.kill("SIGTERM");
});

test("an export takes all of one's own, and writes over nothing", async () => {
  const { server, folder, parley } = await scene();
  const nothing = await parley("export", "--to", folder);
  expect([nothing.code, nothing.stderr]).toEqual([1, expect.stringContaining("no characters of your own")]);
  for (const name of ["Ada", "Bo"]) await server.owner.characters.create({ name, description: "One." });
  writeFileSync(join(folder, "Ada.json"), "mine");
  for (let n = 0; n < 2; n++) {
    expect((await parley("export", "--format", "json", "--to", folder)).code).toBe(0);
    expect(readdirSync(folder).sort()).toEqual(["Ada 2.json", "Ada.json", "Bo.json"]);
  }
  expect(readFileSync(join(folder, "Ada.json"), "utf8")).toBe("mine");
  const wrong = await parley("export", "Ada", "--format", "yaml");
  expect([wrong.code, wrong.stderr]).toEqual([1, 'parley: --format is json or png, not "yaml".\n']);
  await server.kill("SIGTERM");
});

test("characters that give one file are counted once, and the others said to be there", async () => {
  const { server, folder, parley } = await scene();
  for (const name of ["Ada", "Ada", "Bo"])
    await server.owner.characters.create({ name, description: "One." });
  const { stdout, stderr } = await parley("export", "--format", "json", "--to", folder);
  expect(readdirSync(folder).sort()).toEqual(["Ada.json", "Bo.json"]);
  expect(stderr).toBe(`2 characters exported to ${folder}, 1 already there.\n`);
  expect(stdout.match(/\(already there\)/g)).toHaveLength(1);
  await server.kill("SIGTERM");
});

test("a name made for another system's paths leaves the folder of the export to nobody", async () => {
  const { server, folder, parley } = await scene();
  for (const name of ["../../evil", "..", "CON", 'a:b*?"<>|', "line\nbreak"]) {
    await server.owner.characters.create({ name, description: "One." });
  }
  const to = join(folder, "below", "there");
  mkdirSync(to, { recursive: true });
  expect((await parley("export", "--format", "json", "--to", to)).code).toBe(0);
  expect(readdirSync(to).sort()).toEqual([
    "_.._evil.json",
    "a_b______.json",
    "character CON.json",
    "character.json",
    "line break.json",
  ]);
  expect(readdirSync(folder)).toEqual(["below"]);
  await server.kill("SIGTERM");
});

test("a data folder that was named and is not there is one sentence and stays away; the usual one is made", async () => {
  const folder = newDataDir();
  const file = join(folder, "nell.json");
  writeFileSync(file, card("Nell"));
  const nowhere = join(folder, "dta");
  for (const line of [["import", file], ["export"]]) {
    const { code, stderr } = await runParley(line, { dataDir: folder, env: { PARLEY_DATA_DIR: nowhere } });
    expect([code, stderr]).toEqual([
      1,
      `parley: There is no data folder ${nowhere}; correct PARLEY_DATA_DIR, or run \`parley start\` once to make it.\n`,
    ]);
    expect(existsSync(nowhere)).toBe(false);
  }
  const first = await runParley(["import", file], { dataDir: folder, env: { PARLEY_DATA_DIR: "" } });
  expect([first.code, existsSync(join(folder, "data"))]).toEqual([0, true]);
});
