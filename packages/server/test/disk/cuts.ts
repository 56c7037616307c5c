import { rmSync } from "node:fs";
import { join, relative } from "node:path";
import { newDataDir } from "../rig/server.ts";
import { departures, isSync } from "./acks.ts";
import type { Call } from "./calls.ts";
import { inspect } from "./inspect.ts";
import { createDisk } from "./power.ts";
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

/**
 * Lays out what a power cut at each of these moments may leave, and gives all that is wrong there.
 * `onFolder` may take a folder over before it is looked into; then it must remove it.
 */
export function cutPower(
  { calls, kept, root, dataDir }: Recorded,
  moments: readonly Moment[],
  random: () => number,
  onFolder?: (folder: string, moment: Moment, kept: Kept) => boolean,
): string[] {
  const disk = createDisk(root);
  const left = departures(calls);
  // A sync has done its work once it has returned; whatever else was begun may have been done.
  const steps = calls
    .map((call) => ({ at: isSync(call) ? call.to : call.from, call }))
    .sort((a, b) => a.at - b.at);
  const complaints: string[] = [];
  let next = 0;
  for (const moment of moments.toSorted((a, b) => a.at - b.at)) {
    for (; (steps[next]?.at ?? Number.POSITIVE_INFINITY) < moment.at; next++)
      disk.apply(steps[next]?.call as Call);
    const folder = newDataDir();
    disk.cut(folder, { random, isBare: moment.isBare });
    const keptThen = keptBefore(kept, left, moment.at);
    if (onFolder?.(folder, moment, keptThen)) continue;
    const found = inspect(join(folder, relative(root, dataDir)), keptThen);
    if (found[0]) complaints.push(`cut before line ${moment.at}: ${found[0]}, and ${found.length - 1} more`);
    rmSync(folder, { recursive: true, force: true });
  }
  return complaints;
}
