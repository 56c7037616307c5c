import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { newSeed, seeded } from "../random.ts";
import { buildProgram } from "./program.ts";
import { summary, table } from "./report.ts";
import { runRig } from "./rig.ts";
import { type Kill, newSchedule, POINTS } from "./schedule.ts";

/** Beside one kill at each crash point. */
const AT_RANDOM = 9;
const WORLDS = 2;
const KILLS_PER_FOLDER = 13;
const OUTSIDE_MAX = 40;
/** Temporary folders go with the run of the tests; the record of what was found stays. */
const RECORDS = join(import.meta.dirname, "../../../../../node_modules/.cache");

test("over kills -9 at every crash point and at random moments under load nothing is lost, doubled, reordered, torn, orphaned or wrongly completed", async () => {
  const seed = newSeed("kills under load");
  const random = seeded(seed);
  const schedule: Kill[] = [
    ...newSchedule(random, POINTS.length),
    ...newSchedule(random, AT_RANDOM, ["random"]),
  ];
  const program = await buildProgram();
  try {
    const { report, broken } = await runRig({
      entry: program.entry,
      seed,
      schedule,
      worlds: WORLDS,
      killsPerFolder: KILLS_PER_FOLDER,
      outsideMax: OUTSIDE_MAX,
    });
    console.log(`${table(report)}\n${summary(report, seed)}`);
    const record = join(RECORDS, `parley-history-${seed}.json`);
    mkdirSync(RECORDS, { recursive: true });
    if (broken) writeFileSync(record, JSON.stringify(broken));
    expect(broken?.violations ?? [], `the whole record is in ${record}`).toEqual([]);
    for (const point of POINTS) expect(report.byPoint.get(point)?.met, point).toBeGreaterThan(0);
    // The run has to have met what it is about.
    expect(report.acknowledged.sends).toBeGreaterThan(20);
    expect(report.unanswered).toBeGreaterThan(0);
  } finally {
    program.remove();
  }
});
