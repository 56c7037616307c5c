import { renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { newDataDir } from "./server.ts";

const preload = (name: string, query: Record<string, string> = {}) => ({
  NODE_OPTIONS: `--import ${new URL(`preload/${name}.ts?${new URLSearchParams(query)}`, import.meta.url)}`,
});

/** Settings under which a server may open so many files beyond those it has before it begins. */
export const fewFiles = (left: number): Record<string, string> => preload("few-files", { left: `${left}` });

/** Settings under which a server gives back at SIGWINCH what it does not need, which takes it a while. */
export const collecting: Record<string, string> = preload("collecting");

/** The same, and twice a second. */
export const alwaysCollecting: Record<string, string> = preload("collecting", { everyMs: "500" });

/** A wall clock for servers that the test moves while they run; their timers are not moved. */
export function movedClock(): { env: Record<string, string>; moveTo(ms: number): void } {
  const file = join(newDataDir(), "moved");
  const moveTo = (ms: number) => {
    writeFileSync(`${file}.new`, `${ms}`);
    renameSync(`${file}.new`, file);
  };
  moveTo(0);
  return { env: preload("moved-clock", { file }), moveTo };
}

/** Settings under which what a server does every second comes so many times as often. */
export const fastTicks = (times: number): Record<string, string> =>
  preload("fast-ticks", { times: `${times}` });
