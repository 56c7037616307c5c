import { rmSync } from "node:fs";
import { join, relative } from "node:path";
import { expect } from "vitest";
import { doctorOf } from "../backup/rig.ts";
import { journey, type Rig } from "../faults/journey.ts";
import { between, newSeed, seeded } from "../faults/random.ts";
import { allMessages, outcome } from "../faults/scene.ts";
import { newDataDir } from "../rig/server.ts";
import { hasStrace, requireStrace } from "../rig/strace.ts";
import { departures, isSync, unsyncedAcks } from "./acks.ts";
import type { Call } from "./calls.ts";
import { cutPower, diskAt, keptBefore, type Moment } from "./cuts.ts";
import { createIndexes } from "./indexes.ts";
import { filesOf } from "./inspect.ts";
import { createDisk } from "./power.ts";
import { type Kept, type Recorded, recordLoad, SMALL_LOG } from "./scene.ts";

requireStrace("what is on the disk before an answer leaves, and what a power cut leaves of it");
const traced = hasStrace ? journey : journey.skip;

const CUTS = 300;
const BOOTS = 12;
const BOOTS_AT_ONCE = 3;

const allIds = ({ messages, conversations, characters }: Kept) => [
  ...messages.keys(),
  ...conversations,
  ...characters,
];

/** The moments at which an acknowledgement leaves, each with nothing kept that was not synced. */
const atEveryAck = ({ calls, kept }: Recorded): Moment[] => {
  const left = departures(calls);
  const lines = new Set(allIds(kept).map((id) => (left.get(id) ?? 0) + 1));
  return [...lines].map((at) => ({ at, isBare: true }));
};

traced(
  "every acknowledgement leaves after its commit was synced, and a power cut anywhere loses nothing (I1)",
  async ({ rig }) => {
    const random = seeded(newSeed("power cuts"));
    const recorded = await recordLoad(rig, { pragmas: SMALL_LOG, hasBackup: true });
    const { calls, kept, root } = recorded;
    expect(unsyncedAcks(calls, allIds(kept))).toEqual([]);

    // The model of the disk is only worth something if it has seen all: at the end it is the real disk.
    const disk = createDisk(root);
    for (const call of calls) disk.apply(call);
    const copy = newDataDir();
    disk.copy(copy);
    expect(filesOf(copy)).toEqual(filesOf(root));
    const isFolded = (call: Call) => call.path.endsWith("messages.db") && call.name === "pwrite64";
    expect(calls.filter(isFolded).length).toBeGreaterThan(10);

    const last = calls.at(-1)?.from as number;
    const anywhere = Array.from({ length: CUTS }, () => ({ at: between(random, 1, last), isBare: false }));
    expect(cutPower(recorded, [...anywhere, ...atEveryAck(recorded)], random)).toEqual([]);

    const spread = Array.from({ length: BOOTS }, (_, n) => ({
      at: Math.ceil(((n + random()) * last) / BOOTS),
      isBare: false,
    }));
    const folders: [string, Kept][] = [];
    const left = departures(calls);
    const again = createDisk(root);
    const indexes = createIndexes(recorded);
    for (const { at, isBare } of diskAt(again, calls, spread)) {
      const folder = newDataDir();
      again.cut(folder, { random, isBare });
      indexes.lay(again, folder, random);
      folders.push([folder, keptBefore(kept, left, at)]);
    }
    for (let n = 0; n < folders.length; n += BOOTS_AT_ONCE) {
      await Promise.all(
        folders.slice(n, n + BOOTS_AT_ONCE).map(([folder, then]) => bootOn(rig, recorded, folder, then)),
      );
    }
  },
);

traced(
  "the checks see what they are for: commits, folders or folded pages that were not synced",
  async ({ rig }) => {
    const random = seeded(newSeed("power cuts that must lose something"));
    const recorded = await recordLoad(rig, { pragmas: SMALL_LOG, rounds: 2 });
    const { kept } = recorded;
    const moments = atEveryAck(recorded);
    const without = (isLeftOut: (call: Call) => boolean) => ({
      ...recorded,
      calls: recorded.calls.filter((call) => !(isSync(call) && isLeftOut(call))),
    });
    expect(cutPower(recorded, moments, random)).toEqual([]);

    const noCommits = without(({ path }) => path.endsWith("-wal"));
    expect(unsyncedAcks(noCommits.calls, allIds(kept))).toEqual(allIds(kept));
    expect(cutPower(noCommits, moments, random).length).toBeGreaterThan(0);

    // Each sync returns only after the next answer has begun to leave.
    const answers = recorded.calls.filter(({ isSocket }) => isSocket).map(({ from }) => from);
    const late = (call: Call) => ({ ...call, to: (answers.find((from) => from > call.from) ?? call.to) + 1 });
    const early = { ...recorded, calls: recorded.calls.map((call) => (isSync(call) ? late(call) : call)) };
    expect(unsyncedAcks(early.calls, allIds(kept)).length).toBeGreaterThan(0);
    expect(cutPower(early, moments, random).length).toBeGreaterThan(0);

    const noFolders = without(({ path }) => !path.includes(".db"));
    expect(cutPower(noFolders, moments, random).length).toBeGreaterThan(0);
    const noFolding = without(({ path }) => path.endsWith("messages.db"));
    expect(cutPower(noFolding, moments, random).length).toBeGreaterThan(0);
  },
);

traced("an index that was ahead of the syncs of its log would be found out", async ({ rig }) => {
  const random = seeded(newSeed("an index ahead of its log"));
  const { calls, root, dataDir, env } = await recordLoad(rig, { pragmas: SMALL_LOG, rounds: 1 });
  const ofLog = calls.filter(({ path }) => path.endsWith("messages.db-wal"));
  // A sync behind frames; one that only begins the log anew commits nothing.
  const commits = ofLog.filter((call, n) => isSync(call) && (ofLog[n - 1]?.offset ?? 0) > 0);
  const at = commits.at(Math.floor(commits.length / 2))?.from as number;
  for (const isAhead of [false, true]) {
    const disk = createDisk(root);
    const folder = newDataDir();
    for (const { isBare } of diskAt(disk, calls, [{ at, isBare: true }])) {
      disk.cut(folder, { random, isBare });
      createIndexes({ root, dataDir, isAhead }).lay(disk, folder, random);
    }
    const there = { ...env, PARLEY_DATA_DIR: join(folder, relative(root, dataDir)) };
    const starting = rig.start({ dataDir: folder, env: there });
    if (isAhead) await expect(starting).rejects.toThrow(/messages.db-wal is damaged or gone/);
    else await (await starting).kill();
  }
});

traced("a server whose commits are not synced, as SQLite's NORMAL has it, is found out", async ({ rig }) => {
  const pragmas = { "synchronous = FULL": "synchronous = NORMAL" };
  const recorded = await recordLoad(rig, { pragmas, rounds: 1 });
  const ids = [...recorded.kept.messages.keys()];
  const random = seeded(newSeed("power cuts without synced commits"));
  expect(unsyncedAcks(recorded.calls, ids)).toEqual(ids);
  expect(cutPower(recorded, atEveryAck(recorded), random).length).toBeGreaterThan(0);
});

/** A start on what a power cut has left: nothing acknowledged is missing, and every turn ends. */
async function bootOn(rig: Rig, { root, dataDir, env }: Recorded, folder: string, kept: Kept): Promise<void> {
  const there = { ...env, PARLEY_DATA_DIR: join(folder, relative(root, dataDir)) };
  const { owner, kill } = await rig.start({ dataDir: folder, env: there });
  for (const id of kept.characters) expect((await owner.characters.get({ character_id: id })).id).toBe(id);
  for (const id of kept.conversations) {
    const messages = await allMessages(owner, id);
    expect(messages.map(({ seq }) => seq)).toEqual(messages.map((_, n) => n + 1));
    for (const [messageId, { content, conversationId }] of kept.messages) {
      if (conversationId !== id) continue;
      expect(messages.find((message) => message.id === messageId)?.content).toBe(content);
    }
    for (const { role, turn_id } of messages) {
      if (role === "assistant" && turn_id) expect((await outcome(owner, turn_id)).status).toBe("completed");
    }
  }
  await kill();
  const { findings } = await doctorOf(folder, there);
  expect(findings.filter(({ status }) => status === "fail")).toEqual([]);
  rmSync(folder, { recursive: true, force: true });
}
