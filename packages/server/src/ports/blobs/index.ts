import { join } from "node:path";
import type { Clock } from "../../kit/clock.ts";
import type { Blobs } from "./blobs.ts";

export type { Blobs } from "./blobs.ts";

/** Opens the blobs that the settings name; without any they are files in `blobs` in the data folder. */
export async function openBlobs(uses: { dataDir: string; clock: Clock }): Promise<Blobs> {
  const { createFileBlobs } = await import("./file.ts");
  return createFileBlobs({ folder: join(uses.dataDir, "blobs"), clock: uses.clock });
}
