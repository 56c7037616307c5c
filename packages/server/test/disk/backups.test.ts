import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync } from "node:fs";
import { join, relative } from "node:path";
import { expect } from "vitest";
import { type Manifest, takeBackup } from "../backup/rig.ts";
import { journey, type Rig } from "../faults/journey.ts";
import { between, newSeed, seeded } from "../faults/random.ts";
import { allMessages, newConversation } from "../faults/scene.ts";
import { newDataDir, runParley } from "../rig/server.ts";
import { hasStrace, newRecording, requireStrace } from "../rig/strace.ts";
import { type Call, readCalls } from "./calls.ts";
import { diskAt, type Moment } from "./cuts.ts";
import { filesOf } from "./inspect.ts";
import { createDisk } from "./power.ts";
import { cardFile } from "./scene.ts";

requireStrace("what a power cut leaves of a backup, and of a restore");
const traced = hasStrace ? journey : journey.skip;

const CUTS = 60;
const BOOTS = 9;
const OLD = "Zed of yesterday";
const NEW = "Zed of today";

/** A data folder in which there is one note, and a picture. */
async function folderWith(rig: Rig, note: string, dataDir: string): Promise<void> {
  const server = await rig.start({ dataDir: newDataDir(), env: { PARLEY_DATA_DIR: dataDir } });
  await server.owner.characters.import({ file: cardFile(note) });
  const { id } = await newConversation(server.owner);
  await server.owner.messages.send({ conversation_id: id, content: note, reply: false });
  await server.kill("SIGTERM");
}

/** Runs a command under a recorder; gives its calls and the disk as it was before. */
async function recordCommand(root: string, args: readonly string[], env: Record<string, string>) {
  const disk = createDisk(root);
  disk.takeSnapshot();
  const recording = newRecording();
  const { code, stdout, stderr } = await runParley(args, { env, under: recording.under });
  expect([code, stderr]).toEqual([0, ""]);
  const calls = readCalls(await recording.text());
  return { disk, calls, stdout };
}

/** Moments right after calls that change something below a folder, and the end. */
function momentsIn(calls: readonly Call[], root: string, random: () => number, count: number): Moment[] {
  const changing = calls.filter(({ path, flags }) => path.startsWith(root) && !/O_RDONLY/.test(flags));
  const any = (): Moment => ({
    at: (changing[between(random, 0, changing.length - 1)] as Call).from + 1,
    isBare: random() < 0.3,
  });
  const end = { at: Number.POSITIVE_INFINITY, isBare: true };
  return [...Array.from({ length: count - 1 }, any), end];
}

traced(
  "a backup has its name only once it is whole, and once it was told of it stays (I20)",
  async ({ rig }) => {
    const random = seeded(newSeed("power cuts in a backup"));
    const root = newDataDir();
    const dataDir = join(root, "data");
    await folderWith(rig, "kept", dataDir);
    const into = join(root, "backups", "of today");
    const env = { PARLEY_DATA_DIR: dataDir };
    const { disk, calls, stdout } = await recordCommand(root, ["backup", into, "--json"], env);
    const made = relative(root, (JSON.parse(stdout) as Manifest).path);

    let whole = 0;
    for (const { at, isBare } of diskAt(disk, calls, momentsIn(calls, into, random, CUTS))) {
      const folder = newDataDir();
      disk.cut(folder, { random, isBare });
      const there = join(folder, made);
      if (!existsSync(there)) {
        expect(at).toBeLessThan(Number.POSITIVE_INFINITY);
        continue;
      }
      whole++;
      const files = filesOf(there);
      const { parts } = JSON.parse(readFileSync(join(there, "manifest.json"), "utf8")) as Manifest;
      for (const { path, sha256 } of parts) expect([at, path, files.get(path)]).toEqual([at, path, sha256]);
    }
    expect(whole).toBeGreaterThan(0);
  },
);

traced(
  "a power cut in a restore leaves the old data or the new, whole, and the old is kept (I20)",
  async ({ rig }) => {
    const random = seeded(newSeed("power cuts in a restore"));
    const root = newDataDir();
    const dataDir = join(root, "data");
    await folderWith(rig, NEW, dataDir);
    const { path: backup } = await takeBackup(dataDir);
    renameSync(dataDir, join(root, "away"));
    mkdirSync(dataDir);
    await folderWith(rig, OLD, dataDir);
    const before = filesOf(dataDir);
    const env = { PARLEY_DATA_DIR: dataDir };
    const { disk, calls } = await recordCommand(root, ["restore", backup, "--replace", "--json"], env);

    const seen: string[] = [];
    const folders: string[] = [];
    for (const { isBare } of diskAt(disk, calls, momentsIn(calls, dataDir, random, BOOTS))) {
      const folder = newDataDir();
      disk.cut(folder, { random, isBare });
      folders.push(folder);
    }
    for (const folder of folders) {
      const server = await rig.start({ dataDir: folder, env: { PARLEY_DATA_DIR: join(folder, "data") } });
      const { items } = await server.owner.conversations.list();
      const [note] = await allMessages(server.owner, items[0]?.id as string);
      const { items: characters } = await server.owner.characters.list({ q: note?.content as string });
      expect(characters).toHaveLength(1);
      const id = characters[0]?.id as string;
      expect((await server.owner.characters.avatar({ character_id: id })).size).toBeGreaterThan(0);
      await server.kill();
      seen.push(note?.content as string);
      if (note?.content !== NEW) continue;
      const kept = readdirSync(join(folder, "data")).find((name) => name.startsWith("replaced-"));
      const old = filesOf(join(folder, "data", kept as string));
      for (const [name, hash] of old) expect([name, hash]).toEqual([name, before.get(name)]);
      expect([...old.keys()]).toEqual(expect.arrayContaining(["messages.db", "parley.db", "secrets.json"]));
    }
    expect(new Set(seen).isSubsetOf(new Set([OLD, NEW]))).toBe(true);
    expect(seen.at(-1)).toBe(NEW);
  },
);
