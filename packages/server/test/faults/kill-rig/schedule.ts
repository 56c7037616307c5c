import { between } from "../random.ts";

/*
 * The crash points of a turn (reliability.md) at which a server of one process can be killed, and how far
 * the count of hits goes before it dies there: things that happen with every piece of text come often.
 *
 *   k03           no ledger yet: no reservation to be inside of
 *   k06 k07       no queue: a turn is handed on in memory, a start and a sweep find it in the store
 *   k13 k14       no offsets and no relay: the socket reads the log of its own process
 *   k18 k22 k24   no credits, no second reaper, no rotation of keys under way in a turn
 *   k20           once in the life of a folder, at its migration: migrations.test.ts
 */
const HITS_MAX = {
  k01: 20,
  k02: 20,
  k04: 20,
  k05: 20,
  k08: 14,
  k09: 14,
  k10: 120,
  k11: 12,
  k12: 12,
  k15: 200,
  k16: 200,
  k17: 1,
  k19: 1,
} as const;

/** Named by nothing in the server: killed from outside at that point, or while another program works there. */
const FROM_OUTSIDE = ["k00", "k21", "k23", "random"] as const;

export const MISSING: Readonly<Record<string, string>> = {
  k03: "no ledger yet",
  k06: "no queue",
  k07: "no queue",
  k13: "no offsets",
  k14: "no relay",
};

type Armed = keyof typeof HITS_MAX;
export type Point = Armed | (typeof FROM_OUTSIDE)[number];

export const POINTS: readonly Point[] = ([...Object.keys(HITS_MAX), ...FROM_OUTSIDE] as Point[]).sort();

/** One kill to come. */
export interface Kill {
  point: Point;
  /** At which hit of a point, which step of a backup or restore, which moment of a drain. */
  nth: number;
  /** A drain that may take as long as in production. */
  isReal?: boolean;
}

/** A backup has four steps; a restore has more. */
const STEPS_MAX = 4;
/** Parts of the time that a drain may take: 0, 1, 5 and 9 of 10 seconds. */
export const DRAIN_MOMENTS = [0, 0.1, 0.5, 0.9] as const;

/** From which to which hit of its point a server lives. */
export type Hits = readonly [min: number, max: number];

/** So many kills, every point about equally often, in an order of chance. */
export function newSchedule(
  random: () => number,
  kills: number,
  points: readonly Point[] = POINTS,
  hits?: Hits,
): Kill[] {
  const schedule = Array.from({ length: kills }, (_, n) =>
    newKill(random, points[n % points.length] as Point, hits),
  );
  for (let n = schedule.length - 1; n > 0; n--) {
    const other = between(random, 0, n);
    [schedule[n], schedule[other]] = [schedule[other] as Kill, schedule[n] as Kill];
  }
  return schedule;
}

function newKill(random: () => number, point: Point, hits?: Hits): Kill {
  if (point === "k23") return { point, nth: between(random, 0, DRAIN_MOMENTS.length - 1) };
  if (point === "k21") return { point, nth: between(random, 1, STEPS_MAX) };
  const most = isArmed(point) ? HITS_MAX[point] : 1;
  const [min, max] = hits ?? [1, most];
  return { point, nth: between(random, Math.min(min, most), Math.min(max, most)) };
}

/** The same once more, at an earlier hit: it was not met in time. */
export const sooner = (random: () => number, kill: Kill): Kill =>
  kill.point === "k23" ? newKill(random, "k23") : { ...kill, nth: between(random, 1, kill.nth) };

/** Whether the server itself dies there, by a failpoint. */
export const isArmed = (point: Point): point is Armed => point in HITS_MAX;
