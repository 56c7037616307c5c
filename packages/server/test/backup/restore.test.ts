import { spawnSync } from "node:child_process";
import { hash as hashOf } from "node:crypto";
import {
  appendFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { beforeAll, expect, test } from "vitest";
import { newConversation } from "../faults/scene.ts";
import { newDataDir, runParley, startServer } from "../rig/server.ts";
import { changeManifest, doctorOf, restoreInto, takeBackup } from "./rig.ts";

let dataDir: string;
let backup: string;

/** A small data folder with a note in it, and a backup of it. */
beforeAll(async () => {
  dataDir = await folderWith("the first");
  backup = (await takeBackup(dataDir)).path;
});

async function folderWith(note: string, dir = newDataDir()): Promise<string> {
  const server = await startServer({ dataDir: dir });
  const { id } = await newConversation(server.owner);
  await server.owner.messages.send({ conversation_id: id, content: note, reply: false });
  await server.kill("SIGTERM");
  return dir;
}

/** The texts in a data folder, as a server on it shows them. */
async function notesIn(dir: string): Promise<string[]> {
  const server = await startServer({ dataDir: dir });
  const { items } = await server.owner.conversations.list();
  const notes: string[] = [];
  for (const { id } of items) {
    notes.push(
      ...(await server.owner.messages.list({ conversation_id: id })).items.map(({ content }) => content),
    );
  }
  await server.kill("SIGTERM");
  return notes;
}

function copyOfBackup(): string {
  const copy = join(newDataDir(), "copy");
  cpSync(backup, copy, { recursive: true });
  return copy;
}

const dbFiles = (dir: string) =>
  readdirSync(dir).filter((name) => name.endsWith(".db") && name !== "lock.db");

/** A refusal is one sentence, and leaves a new folder without data. */
async function expectRefused(from: string, sentence: RegExp | string): Promise<void> {
  const target = newDataDir();
  const { code, stderr, stdout } = await restoreInto(target, from);
  expect(stderr).toMatch(sentence);
  expect(stderr).toMatch(/^parley: [^\n]*[.?]\n$/);
  expect([code, stdout]).toEqual([1, ""]);
  expect(readdirSync(target).filter((name) => name !== "lock.db")).toEqual([]);
}

test("a backup is one folder of whole files for this user alone, named by its moment", async () => {
  expect(backup).toMatch(/\/parley-\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d-\d{3}Z$/);
  const files = readdirSync(backup).filter((name) => name !== "blobs");
  expect(files.sort()).toEqual(["manifest.json", "messages.db", "parley.db", "secrets.json"]);
  expect(statSync(backup).mode & 0o777).toBe(0o700);
  for (const name of files) expect(statSync(join(backup, name)).mode & 0o777).toBe(0o600);
});

test("a backup of a folder without a server is the same as one beside a running server", async () => {
  const server = await startServer({ dataDir });
  const running = await takeBackup(dataDir);
  await server.kill();
  const killed = await takeBackup(dataDir);
  const target = newDataDir();
  expect(running.counts).toEqual(killed.counts);
  expect((await restoreInto(target, killed.path)).code).toBe(0);
  expect(await notesIn(target)).toEqual(["the first"]);
});

test("blobs are in a backup, and come back byte by byte; drafts of them are not", async () => {
  const dir = await folderWith("with a picture");
  const bytes = Buffer.from([0, 255, 1, 254]);
  const hash = hashOf("sha256", bytes, "hex");
  const path = join("blobs", hash.slice(0, 2), hash);
  for (const [file, content] of [
    [path, bytes],
    [join("blobs", "drafts", "1"), "half of"],
  ] as const) {
    mkdirSync(dirname(join(dir, file)), { recursive: true });
    writeFileSync(join(dir, file), content);
  }
  const { path: taken, parts } = await takeBackup(dir);
  expect(parts.filter((part) => part.path.startsWith("blobs")).map((part) => part.path)).toContain(path);
  expect(parts.some((part) => part.path.includes("drafts"))).toBe(false);
  const target = newDataDir();
  expect((await restoreInto(target, taken)).code).toBe(0);
  expect(readFileSync(join(target, path)).equals(bytes)).toBe(true);
});

test("a restored folder keeps sign-ins: the secret comes with it", async () => {
  const target = newDataDir();
  await restoreInto(target, backup);
  expect(readFileSync(join(target, "secrets.json"), "utf8")).toBe(
    readFileSync(join(dataDir, "secrets.json"), "utf8"),
  );
});

test("a folder that holds data is left alone without --replace, and kept beside the backup with it", async () => {
  const target = await folderWith("the second");
  const refused = await restoreInto(target, backup);
  expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining("is not empty; add --replace")]);
  expect(await notesIn(target)).toEqual(["the second"]);

  const { code, stdout } = await restoreInto(target, backup, "--replace", "--json");
  expect(code).toBe(0);
  const { replaced } = JSON.parse(stdout) as { replaced: string };
  expect(await notesIn(target)).toEqual(["the first"]);
  expect(await notesIn(replaced)).toEqual(["the second"]);
});

test("a folder with a running server is refused", async () => {
  const server = await startServer({ dataDir: newDataDir() });
  const { code, stderr } = await restoreInto(server.dataDir, backup, "--replace");
  expect([code, stderr]).toEqual([1, expect.stringContaining("is in use by another Parley; stop that one")]);
  await server.kill("SIGTERM");
});

test("a backup with another byte, a missing part or a broken manifest is refused before anything changes", async () => {
  const longer = copyOfBackup();
  appendFileSync(join(longer, "parley.db"), "x");
  await expectRefused(longer, /is damaged \(parley\.db is not what manifest\.json says\)/);
  const missing = copyOfBackup();
  rmSync(join(missing, "messages.db"));
  await expectRefused(missing, /is damaged \(messages\.db is missing\)/);
  const broken = copyOfBackup();
  writeFileSync(join(broken, "manifest.json"), "{");
  await expectRefused(broken, /its manifest\.json cannot be read/);
  await expectRefused(newDataDir(), /is no backup \(it has no manifest\.json\)/);
});

test("a manifest whose fields are not what they should be is refused in one sentence, here and by the doctor", async () => {
  const folder = newDataDir();
  const copy = join(folder, "parley-2026-11-02T00-00-00-000Z");
  cpSync(backup, copy, { recursive: true });
  const manifest = readFileSync(join(copy, "manifest.json"), "utf8");
  const { parts } = JSON.parse(manifest) as { parts: { path: string }[] };
  for (const wrong of [
    { parts: [null] },
    { parts: [...parts, parts[0]] },
    { parts: parts.map((part) => ({ ...part, path: 5 })) },
    { parts: parts.map((part) => ({ ...part, bytes: -1 })) },
    { parts: parts.map((part) => ({ ...part, sha256: null })) },
    { parts: parts.map((part) => ({ ...part, schema_version: "1" })) },
    { counts: null },
    { counts: { messages: "many" } },
    { complaints: 5 },
    { complaints: [null] },
    { created_at: "\u001b[31mnow" },
    { created_at: 5 },
    { parley_version: null },
  ]) {
    writeFileSync(join(copy, "manifest.json"), JSON.stringify({ ...JSON.parse(manifest), ...wrong }));
    await expectRefused(copy, /is damaged \(its manifest\.json cannot be read\)/);
  }
  for (const text of ["null", "[]", '"text"']) {
    writeFileSync(join(copy, "manifest.json"), text);
    await expectRefused(copy, /its manifest\.json cannot be read/);
  }
  const { of } = await doctorOf(dataDir, {}, [folder]);
  expect(of("backup")).toMatchObject({ status: "warn", detail: expect.stringContaining("is damaged") });
});

test("no text of a backup reaches the terminal as a control sequence", async () => {
  const copy = copyOfBackup();
  changeManifest(copy, (manifest) =>
    Object.assign(manifest, { format_version: 2, parley_version: "\u001b]0;title\u0007 9" }),
  );
  await expectRefused(copy, "newer Parley (\u241b]0;title\u2407 9, this is ");
});

test("a backup without its secret says that everybody is signed out", async () => {
  const copy = copyOfBackup();
  changeManifest(copy, (manifest) => {
    manifest.parts = manifest.parts.filter(({ path }) => path !== "secrets.json");
  });
  const { code, stderr } = await restoreInto(newDataDir(), copy);
  expect([code, stderr]).toEqual([0, expect.stringContaining("no secrets.json: everybody is signed out")]);
});

test("a backup of a newer Parley is refused by its versions", async () => {
  const format = copyOfBackup();
  changeManifest(format, (manifest) => {
    manifest.format_version = 2;
    manifest.parley_version = "9.0.0";
  });
  await expectRefused(format, /was made by a newer Parley \(9\.0\.0, this is /);
  const schema = copyOfBackup();
  changeManifest(schema, (manifest) => {
    for (const part of manifest.parts) if (part.path === "messages.db") part.schema_version = 99;
  });
  await expectRefused(schema, /was made by a newer Parley/);
});

test("a manifest cannot lead out of its folder", async () => {
  for (const path of ["../secrets.json", "blobs/../../x", "/etc/passwd", "blobs/drafts/1", "blobs/ab/cd"]) {
    const evil = copyOfBackup();
    changeManifest(evil, ({ parts }) => parts.push({ path, bytes: 1, sha256: "0".repeat(64) }));
    await expectRefused(evil, /its manifest\.json cannot be read/);
  }
});

test("a backup whose hashes hold but whose data breaks a promise is refused", async () => {
  const gap = copyOfBackup();
  const path = join(gap, "messages.db");
  const db = new DatabaseSync(path);
  db.exec("PRAGMA journal_mode = DELETE; UPDATE messages SET seq = seq + 1");
  db.close();
  const bytes = readFileSync(path);
  changeManifest(gap, ({ parts }) => {
    const part = parts.find((one) => one.path === "messages.db");
    Object.assign(part ?? {}, {
      bytes: bytes.length,
      sha256: hashOf("sha256", bytes, "hex"),
    });
  });
  await expectRefused(gap, /messages\.db has 1 places without the one before them/);
});

test("a picture that a character has and the backup lacks is found, in the data and in the backup", async () => {
  const server = await startServer({ dataDir: newDataDir() });
  const [starter] = (await server.owner.characters.list()).items;
  const file = await server.owner.characters.export({ character_id: starter?.id ?? "", format: "png" });
  await server.owner.characters.import({ file });
  await server.kill("SIGTERM");
  const lacking = (await takeBackup(server.dataDir)).path;
  changeManifest(lacking, (manifest) => {
    manifest.parts.splice(
      manifest.parts.findIndex(({ path }) => path.startsWith("blobs/")),
      1,
    );
  });
  await expectRefused(lacking, /parley\.db has 1 missing pictures/);

  rmSync(join(server.dataDir, "blobs"), { recursive: true });
  const { code, stdout, stderr } = await runParley(["backup", newDataDir(), "--json"], {
    dataDir: server.dataDir,
  });
  expect([code, stderr]).toEqual([0, expect.stringMatching(/copied as it is, with \d+ missing pictures/)]);
  // What was so when it was copied does not keep the rest from coming back.
  expect((await restoreInto(newDataDir(), (JSON.parse(stdout) as { path: string }).path)).code).toBe(0);
});

test("a damaged data folder gives no backup, and says so", async () => {
  const dir = await folderWith("soon broken");
  const path = join(dir, "messages.db");
  const bytes = readFileSync(path);
  bytes.fill(0xff, 4_096, 12_288);
  writeFileSync(path, bytes);
  const into = newDataDir();
  const { code, stderr } = await runParley(["backup", into], { dataDir: dir });
  expect([code, stderr]).toEqual([1, expect.stringMatching(/messages\.db is damaged .*`parley restore`/)]);
  expect(readdirSync(into)).toEqual([]);
});

test("backup says where it looked, and refuses a place that is lost with the data", async () => {
  const empty = newDataDir();
  expect((await runParley(["backup"], { dataDir: empty })).stderr).toContain("There is nothing to back up");
  const inside = await runParley(["backup", join(dataDir, "backups")], { dataDir });
  expect([inside.code, inside.stderr]).toEqual([1, expect.stringContaining("lies in the data folder")]);
});

test("a folder that cannot be is one sentence", async () => {
  const file = join(newDataDir(), "file");
  writeFileSync(file, "");
  for (const into of [file, join(file, "below")]) {
    const { code, stderr } = await runParley(["backup", into], { dataDir });
    expect([code, stderr]).toEqual([
      1,
      expect.stringMatching(/cannot be written to .* \(a (.* )?file.*\); nothing was kept/),
    ]);
  }
});

test("a kill anywhere in a backup leaves no backup, or a whole one (k21)", async () => {
  const into = newDataDir();
  let kills = 0;
  for (let n = 1; ; n++) {
    const { code } = await runParley(["backup", into, "--failpoint", `k21:kill@${n}`], { dataDir });
    if (code === 0) break;
    expect(code).toBe("SIGKILL");
    kills++;
    expect(readdirSync(into).filter((name) => !name.startsWith("."))).toEqual([]);
  }
  expect(kills).toBeGreaterThan(3);
  const whole = readdirSync(into).filter((name) => !name.startsWith("."));
  expect(whole).toHaveLength(1);
  expect((await restoreInto(newDataDir(), join(into, whole[0] as string))).code).toBe(0);
});

test("what killed backups left goes with a later one, once it is a day old", async () => {
  const into = newDataDir();
  await runParley(["backup", into, "--failpoint", "k21:kill"], { dataDir });
  const [draft] = readdirSync(into) as [string];
  expect(draft).toMatch(/^\.parley-.*\.part$/);
  await takeBackup(dataDir, into);
  expect(readdirSync(into)).toContain(draft);
  spawnSync("touch", ["-d", "2 days ago", join(into, draft)]);
  await takeBackup(dataDir, into);
  expect(readdirSync(into)).not.toContain(draft);
});

test("a kill anywhere in a restore leaves the old data or the whole backup, and a start carries it out (k21)", async () => {
  let kills = 0;
  const seen = new Set<string>();
  for (let n = 1; ; n++) {
    const target = newDataDir();
    cpSync(await secondFolder(), target, { recursive: true });
    const args = ["restore", backup, "--replace", "--failpoint", `k21:kill@${n}`];
    const { code } = await runParley(args, { dataDir: target });
    const [note, ...others] = await notesIn(target);
    expect(others).toEqual([]);
    expect(["the first", "the second"]).toContain(note);
    // Once it was decided, nothing is left of the way there.
    expect(readdirSync(target).some((name) => name.startsWith("restored-"))).toBe(false);
    expect(dbFiles(target).sort()).toEqual(["messages.db", "parley.db"]);
    seen.add(note as string);
    if (code === 0) {
      expect(note).toBe("the first");
      break;
    }
    kills++;
    rmSync(target, { recursive: true, force: true });
  }
  expect(kills).toBeGreaterThan(6);
  expect([...seen].sort()).toEqual(["the first", "the second"]);
});

let second: Promise<string> | undefined;
const secondFolder = () => {
  second ??= folderWith("the second");
  return second;
};

test("a kill in a restore into an empty folder leaves it empty, and a second try works", async () => {
  const target = newDataDir();
  await runParley(["restore", backup, "--failpoint", "k21:kill@2"], { dataDir: target });
  expect(dbFiles(target)).toEqual([]);
  expect((await restoreInto(target, backup)).code).toBe(0);
  expect(existsSync(join(target, "restoring"))).toBe(false);
  expect(await notesIn(target)).toEqual(["the first"]);
});
