import { afterAll, expect, test } from "vitest";
import { newSeed, seeded } from "../random.ts";
import { type Mutant, mutants } from "./mutants.ts";
import { buildProgram } from "./program.ts";
import { runRig } from "./rig.ts";
import { newSchedule } from "./schedule.ts";

const KILLS = 3;
const HITS = [1, 10] as const;
const OUTSIDE_MAX = 6;
/** Most are caught in the first round or two. */
const ROUNDS_MAX = 40;
/** Enough for turns to end, and what waits for ever is known soon. */
const HEAL_MS = 3_000;
/** Where it is not met, another kill comes instead. */
const MEET_MS = 3_000;

/** Only for what hangs. */
const LIMIT_MS = 600_000;

const rounds = new Map<string, number>();
afterAll(() => console.log([...rounds].map(([name, count]) => `${count} ${name}`).join("\n")));

test.concurrent.for(mutants)(
  "$name is caught as a break of $promise",
  { timeout: LIMIT_MS },
  async (mutant) => {
    const { name, promise } = mutant;
    const seed = newSeed(name);
    const program = await buildProgram(mutant.edits);
    try {
      const seen = new Set<string>();
      for (let round = 1; round <= ROUNDS_MAX && !seen.has(promise); round++) {
        rounds.set(name, round);
        for (const broken of await brokenIn(mutant, program.entry, seed + round)) seen.add(broken);
      }
      expect([...seen]).toContain(promise);
    } finally {
      program.remove();
    }
  },
);

async function brokenIn(mutant: Mutant, entry: Parameters<typeof runRig>[0]["entry"], seed: number) {
  const { points, hits = HITS, mix = {} } = mutant;
  const schedule = newSchedule(seeded(seed), KILLS, points, hits);
  const uses = {
    entry,
    seed,
    schedule,
    mix,
    worlds: 1,
    killsPerFolder: KILLS,
    healMs: HEAL_MS,
    meetMs: MEET_MS,
  };
  const { broken } = await runRig({ ...uses, outsideMax: OUTSIDE_MAX });
  return broken?.violations.map(({ promise }) => promise) ?? [];
}
