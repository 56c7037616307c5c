import { spawnSync } from "node:child_process";
import { availableParallelism } from "node:os";

export interface Cores {
  /** For the server alone, or null where processes cannot be pinned here. */
  server: number | null;
  /** Lets this process use all cores again. */
  release(): void;
}

/** Leaves the first core to the server: this process, and what it starts from now on, keep to the others. */
export function splitCores(): Cores {
  const last = availableParallelism() - 1;
  const isSplit = last > 0 && keepTo(`1-${last}`);
  if (!isSplit) console.log("  there is one core or no taskset here: nothing is pinned");
  return {
    server: isSplit ? 0 : null,
    release: () => void (isSplit && keepTo(`0-${last}`)),
  };
}

const keepTo = (cores: string): boolean =>
  spawnSync("taskset", ["-a", "-p", "-c", cores, String(process.pid)], { stdio: "ignore" }).status === 0;
