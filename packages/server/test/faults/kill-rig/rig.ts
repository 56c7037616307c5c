import type { Entry } from "../../rig/server.ts";
import type { Mix } from "../client.ts";
import type { History, Violation } from "../history.ts";
import { seeded } from "../random.ts";
import { type Folder, type FolderRecord, openFolder } from "./folder.ts";
import type { Met } from "./killer.ts";
import { newReport, noteFolder, noteKill, type Report } from "./report.ts";
import { type Kill, sooner } from "./schedule.ts";

export interface RigUses {
  entry: Entry;
  seed: number;
  /** All of them come to pass; one whose point was not met is tried again, at another hit. */
  schedule: readonly Kill[];
  /** How many folders are under load side by side. */
  worlds: number;
  /** After so many kills a folder is closed and checked, so that no history grows without bound. */
  killsPerFolder: number;
  /** So many kills may come from outside in all. */
  outsideMax: number;
  /** The run ends early once this is true; what is open is checked. */
  isOver?(): boolean;
  onKill?(report: Report): void;
  healMs?: number;
  meetMs?: number;
  mix?: Partial<Mix>;
}

export interface RunRecord {
  report: Report;
  /** Of the first folder in which a promise was broken; the run ends with it. */
  broken: { history: History; violations: Violation[] } | null;
}

/** Seeds of folders lie so far apart that none uses a source of another. */
const SEEDS_APART = 100;

/** Runs the product under load and kills it by schedule; resolves with what was seen. */
export async function runRig(uses: RigUses): Promise<RunRecord> {
  const report = newReport();
  const queue = [...uses.schedule];
  const again = seeded(uses.seed);
  let broken: RunRecord["broken"] = null;
  let folders = 0;
  const isOver = () => broken !== null || queue.length === 0 || (uses.isOver?.() ?? false);

  async function oneFolder(): Promise<void> {
    const folder = await openFolder({ ...uses, seed: uses.seed + SEEDS_APART * ++folders });
    const record = await underKills(folder).catch((error) => folder.abandon(error));
    noteFolder(report, record);
    if (record.violations.length > 0) broken ??= record;
  }

  async function underKills(folder: Folder): Promise<FolderRecord> {
    for (let kills = 0; kills < uses.killsPerFolder && !isOver(); kills++) {
      const kill = queue.shift() as Kill;
      take(kill, await folder.kill(kill));
    }
    return folder.close();
  }

  function take(kill: Kill, met: Met): void {
    noteKill(report, kill.point, met);
    uses.onKill?.(report);
    if (met === "met") return;
    if (report.outside > uses.outsideMax)
      throw new Error(`${report.outside} kills came from outside, the last for ${kill.point}`);
    queue.push(sooner(again, kill));
  }

  const worlds = Array.from({ length: uses.worlds }, async () => {
    while (!isOver()) await oneFolder();
  });
  await Promise.all(worlds);
  return { report, broken };
}
