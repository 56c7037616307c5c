import { existsSync } from "node:fs";
import { resolve } from "node:path";
import type { ReadConfig } from "../../config.ts";
import { StartError } from "../../kit/start-error.ts";

/**
 * Refuses a data folder that was named and is not there: cards would go into a new one that nobody looks
 * into. The usual one is made with its first use.
 */
export function refuseUnknownFolder({ config, sources }: ReadConfig): void {
  if (sources.get("PARLEY_DATA_DIR") === "default" || existsSync(config.dataDir)) return;
  throw new StartError(
    `There is no data folder ${resolve(config.dataDir)}; correct PARLEY_DATA_DIR, or run \`parley start\` once to make it.`,
  );
}
