import { rmSync } from "node:fs";
import { join, relative } from "node:path";
import { newDataDir } from "../rig/server.ts";
import { departures, isSync } from "./acks.ts";
import type { Call } from "./calls.ts";
import { inspect } from "./inspect.ts";
import { createDisk, type Disk } from "./power.ts";
import type { Kept, Recorded } from "./scene.ts";

/** A moment of a recording at which the power goes: before the call of this line. */
export interface Moment {
  at: number;
  isBare: boolean;
}

/** What had been acknowledged before a line of the recording. */
export function keptBefore(kept: Kept, left: ReadonlyMap<string, number>, line: number): Kept {
  const isBefore = (id: string) => (left.get(id) ?? Number.POSITIVE_INFINITY) < line;
  return {
    messages: new Map([...kept.messages].filter(([id]) => isBefore(id))),
    conversations: new Set([...kept.conversations].filter(isBefore)),
    characters: new Set([...kept.characters].filter(isBefore)),
  };
}

/** Gives the disk at each moment, in the order of time. */
export function* diskAt(disk: Disk, calls: readonly Call[], moments: readonly Moment[]): Generator<Moment> {
  // A sync has done its work once it has returned; whatever else was begun may have been done.
  const steps = calls
    .map((call) => ({ at: isSync(call) ? call.to : call.from, call }))
    .sort((a, b) => a.at - b.at);
  let next = 0;
  for (const moment of moments.toSorted((a, b) => a.at - b.at)) {
    for (let step = steps[next]; step && step.at < moment.at; step = steps[++next]) disk.apply(step.call);
    yield moment;
  }
}

/** Lays out what a power cut at each of these moments may leave, and gives all that is wrong there. */
export function cutPower(
  { calls, kept, root, dataDir }: Recorded,
  moments: readonly Moment[],
  random: () => number,
): string[] {
  const disk = createDisk(root);
  const left = departures(calls);
  const complaints: string[] = [];
  for (const { at, isBare } of diskAt(disk, calls, moments)) {
    const folder = newDataDir();
    disk.cut(folder, { random, isBare });
    const found = inspect(join(folder, relative(root, dataDir)), keptBefore(kept, left, at));
    if (found[0]) complaints.push(`cut before line ${at}: ${found[0]}, and ${found.length - 1} more`);
    rmSync(folder, { recursive: true, force: true });
  }
  return complaints;
}
