/**
 * The rig by itself: `npm run faults -- --kills 500 --seed 7 --seconds 600`. Kills the server under load,
 * shows how far it is, and ends with what was seen by crash point. Fails where a promise was broken: then
 * the whole history is in a file, and the line says how to run it again.
 */
import { writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { seeded } from "../random.ts";
import { buildProgram } from "./program.ts";
import { summary, table } from "./report.ts";
import { type RunRecord, runRig } from "./rig.ts";
import { DRAIN_MOMENTS, type Kill, newSchedule } from "./schedule.ts";

const WORLDS = 2;
const KILLS_PER_FOLDER = 25;
const LONG_KILLS = 200;
const SHOWN_EVERY_MS = 2_000;

const { values } = parseArgs({
  options: {
    kills: { type: "string", default: "500" },
    seed: { type: "string", default: String(Math.floor(Math.random() * 2 ** 32)) },
    seconds: { type: "string", default: "900" },
  },
});
const [kills, seed, seconds] = [Number(values.kills), Number(values.seed), Number(values.seconds)];
if (![kills, seed, seconds].every((each) => Number.isSafeInteger(each) && each >= 0)) {
  console.error("faults: --kills, --seed and --seconds take whole numbers.");
  process.exit(2);
}

const startedMs = performance.now();
const took = () => Math.round((performance.now() - startedMs) / 1_000);

/** In a long run each moment of a drain comes once as late as in production. */
const isLong = kills >= LONG_KILLS;
const realDrains = DRAIN_MOMENTS.map((_, nth): Kill => ({ point: "k23", nth, isReal: true }));
const schedule = (isLong ? realDrains : []).concat(newSchedule(seeded(seed), kills)).slice(0, kills);
console.log(`${kills} kills, seed ${seed}`);

let shownMs = 0;
const program = await buildProgram();
let run: RunRecord;
try {
  run = await runRig({
    entry: program.entry,
    seed,
    schedule,
    worlds: WORLDS,
    killsPerFolder: KILLS_PER_FOLDER,
    outsideMax: kills,
    isOver: () => took() >= seconds,
    onKill(report) {
      if (performance.now() - shownMs < SHOWN_EVERY_MS) return;
      shownMs = performance.now();
      console.log(`${took()} s: ${report.kills} kills, ${report.folders} folders checked`);
    },
  });
} finally {
  program.remove();
}

const { report, broken } = run;
console.log(`\n${table(report)}\n`);
if (broken) {
  const record = join(tmpdir(), `parley-history-${seed}.json`);
  writeFileSync(record, JSON.stringify(broken));
  for (const { promise, what } of broken.violations.slice(0, 20)) console.log(`${promise}: ${what}`);
  console.log(`The whole record is in ${record}; again: npm run faults -- --kills ${kills} --seed ${seed}`);
}
console.log(`${summary(report, seed)} in ${took()} s`);
const isShort = report.kills < kills;
if (isShort && !broken) console.log(`faults: only ${report.kills} of ${kills} kills in ${seconds} s.`);
process.exit(broken || isShort ? 1 : 0);
