import type { Violation } from "../history.ts";
import type { FolderRecord } from "./folder.ts";
import type { Met } from "./killer.ts";
import { MISSING, POINTS, type Point } from "./schedule.ts";

/** What a run has seen. */
export interface Report {
  kills: number;
  /** Kills whose point was not met in time. */
  outside: number;
  byPoint: Map<Point, Record<Met, number>>;
  folders: number;
  /** Calls that were acknowledged; those without an answer, which were made again; repeats by another client. */
  acknowledged: Record<"sends" | "regenerations" | "deletions" | "stops" | "imports", number>;
  unanswered: number;
  reads: number;
  streams: number;
  resets: number;
  modelCalls: number;
  /** Turns by their outcome; those that met too many kills apart. */
  turns: Map<string, number>;
  violations: Violation[];
}

export const newReport = (): Report => ({
  kills: 0,
  outside: 0,
  byPoint: new Map(),
  folders: 0,
  acknowledged: { sends: 0, regenerations: 0, deletions: 0, stops: 0, imports: 0 },
  unanswered: 0,
  reads: 0,
  streams: 0,
  resets: 0,
  modelCalls: 0,
  turns: new Map(),
  violations: [],
});

export function noteKill(report: Report, point: Point, met: Met): void {
  report.kills++;
  if (met === "outside") report.outside++;
  const row = report.byPoint.get(point) ?? { met: 0, outside: 0 };
  row[met]++;
  report.byPoint.set(point, row);
}

export function noteFolder(report: Report, { history, violations, resets }: FolderRecord): void {
  const { sends, regenerations, removals, stops, imports } = history;
  report.folders++;
  for (const [name, calls] of Object.entries({ sends, regenerations, deletions: removals, stops, imports })) {
    const answered = calls.filter(({ ok }) => ok).length;
    report.acknowledged[name as keyof Report["acknowledged"]] += answered;
    report.unanswered += calls.filter(({ ok, refused }) => !ok && refused === undefined).length;
  }
  report.reads += history.reads.length;
  report.streams += history.streams.length;
  report.resets += resets;
  report.modelCalls += history.wall.length;
  for (const turn of Object.values(history.final).flatMap((one) => one?.turns ?? [])) {
    const outcome = turn.problem?.code === "attempts_exhausted" ? turn.problem.code : turn.status;
    report.turns.set(outcome, (report.turns.get(outcome) ?? 0) + 1);
  }
  report.violations.push(...violations);
}

/** What a broken promise means to whoever it was given. */
const MEANING: Readonly<Record<Violation["promise"], string>> = {
  I1: "lost",
  I2: "doubled",
  I3: "wrongly completed",
  I4: "orphaned",
  I5: "reordered",
  I6: "torn",
  I8: "wrongly completed",
  I12: "asked too often",
  I15: "changed",
  I19: "left over",
  R17: "failed",
};
const ALWAYS_TOLD = ["lost", "doubled", "reordered", "torn", "orphaned", "wrongly completed"];

/** The run in one line. */
export function summary(report: Report, seed: number): string {
  const counts = new Map(ALWAYS_TOLD.map((meaning) => [meaning, 0]));
  for (const { promise } of report.violations)
    counts.set(MEANING[promise], (counts.get(MEANING[promise]) ?? 0) + 1);
  const told = [...counts].map(([meaning, count]) => `${count} ${meaning}`).join(", ");
  const sends = report.acknowledged.sends.toLocaleString("en");
  return `${report.kills} kills, ${sends} sends acknowledged: ${told} (seed ${seed})`;
}

/** The run by crash point, and what it consisted of. */
export function table(report: Report): string {
  const lines = ["point    killed there   from outside"];
  for (const point of [...POINTS, ...(Object.keys(MISSING) as string[])].sort()) {
    const row = report.byPoint.get(point as Point) ?? { met: 0, outside: 0 };
    const why = MISSING[point];
    lines.push(
      why === undefined
        ? `${point.padEnd(8)} ${String(row.met).padStart(12)}   ${String(row.outside).padStart(12)}`
        : `${point.padEnd(8)} does not exist in one process: ${why}`,
    );
  }
  const { sends, regenerations, deletions, stops, imports } = report.acknowledged;
  const turns = [...report.turns].map(([outcome, count]) => `${count} ${outcome}`).join(", ");
  lines.push(
    "",
    `acknowledged: ${sends} sends, ${regenerations} regenerations, ${deletions} deletions, ${stops} stops, ${imports} imports; without an answer: ${report.unanswered} calls`,
    `turns: ${turns}; calls to the model: ${report.modelCalls}`,
    `seen: ${report.streams} streams with ${report.resets} resets, ${report.reads} reads of whole conversations; ${report.folders} data folders`,
  );
  return lines.join("\n");
}
