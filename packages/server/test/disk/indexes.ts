import { existsSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { between } from "../faults/random.ts";
import { newDataDir } from "../rig/server.ts";
import type { Disk } from "./power.ts";

const DATABASES = ["messages.db", "parley.db"];
/** What a start reads of an index. */
const HEAD_BYTES = 136;

/**
 * The worst that power cuts may leave of what a start holds the logs against. No recording shows their
 * indexes, which are written through memory. So they are made anew, of what is synced, for a commit writes
 * its index behind its sync; with `isAhead` before it, as no server may.
 */
export function createIndexes(options: { root: string; dataDir: string; isAhead?: boolean }) {
  const place = relative(options.root, options.dataDir);
  const known = new Map<string, Buffer[]>(DATABASES.map((name) => [name, []]));

  function makeIndexes(disk: Disk, random: () => number): void {
    const folder = newDataDir();
    if (options.isAhead) disk.copy(folder);
    else disk.cut(folder, { random, isBare: true });
    for (const [name, indexes] of known) {
      const path = join(folder, place, name);
      if (!existsSync(path)) continue;
      rmSync(`${path}-shm`, { force: true });
      const db = new DatabaseSync(path);
      db.exec("PRAGMA synchronous = OFF; SELECT count(*) FROM sqlite_schema");
      if (existsSync(`${path}-shm`)) indexes.push(readFileSync(`${path}-shm`).subarray(0, HEAD_BYTES));
      db.close();
    }
    rmSync(folder, { recursive: true, force: true });
  }

  return {
    /** Lays them in a folder that was cut from the disk as it is now. */
    lay(disk: Disk, folder: string, random: () => number): void {
      makeIndexes(disk, random);
      for (const [name, indexes] of known) {
        const path = join(folder, place, name);
        if (!existsSync(path)) continue;
        // The newest, or an older one whose successors never came to the disk.
        const index = random() < 0.5 ? indexes.at(-1) : indexes[between(random, 0, indexes.length - 1)];
        if (index) writeFileSync(`${path}-shm`, index);
        // As if nothing had been folded since the mark was made.
        if (existsSync(`${path}-mark`)) writeFileSync(`${path}-mark`, String(statSync(path).mtimeMs));
      }
    },
  };
}
