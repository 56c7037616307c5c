import { existsSync, mkdirSync, readdirSync, renameSync, rmdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { syncFolder } from "./durable-files.ts";
import { failpoint } from "./failpoint.ts";

const STAGING = "restoring";
const READY = "restored-";
const KEPT = "replaced-";
/** What lies beside a file of SQLite belongs to the one that was there before. */
const SIDECARS = ["-mark", "-wal", "-shm", "-journal"];

/*
 * How a backup takes the place of what a data folder holds, in one step that a kill cannot halve. The
 * parts are laid out in `restoring/`; renaming that to `restored-<name>/` is the decision, and whoever
 * takes the folder next carries it out to its end, as often as it is cut. The folder itself is never
 * renamed: it may be a mount, and its lock lies in it.
 */

/** An empty place for the parts of a backup; what an earlier attempt left there goes. */
export function newStaging(dataDir: string): string {
  const path = join(dataDir, STAGING);
  rmSync(path, { recursive: true, force: true });
  mkdirSync(path, { mode: 0o700 });
  return path;
}

/** Gives the place up again. */
export const dropStaging = (dataDir: string): void =>
  rmSync(join(dataDir, STAGING), { recursive: true, force: true });

/** Decides for what is laid out, synced, in the staging place, and carries that out. */
export function takeStaged(dataDir: string, name: string): void {
  renameSync(join(dataDir, STAGING), join(dataDir, READY + name));
  syncFolder(dataDir);
  failpoint("k21");
  finishRestore(dataDir);
}

/** Where `finishRestore` keeps what was there before a restore of this name. */
export const keptFolder = (dataDir: string, name: string): string => join(dataDir, KEPT + name);

/** Carries out a restore that was decided; the caller holds the folder's lock. Mostly there is none. */
export function finishRestore(dataDir: string): void {
  for (const ready of readdirSync(dataDir).filter((entry) => entry.startsWith(READY))) {
    const kept = keptFolder(dataDir, ready.slice(READY.length));
    const staged = join(dataDir, ready);
    for (const part of readdirSync(staged)) {
      // The new part goes last: as long as it is still here, what has its name is the old one.
      for (const old of [...SIDECARS.map((sidecar) => part + sidecar), part]) {
        if (existsSync(join(dataDir, old))) keep(dataDir, kept, old);
      }
      renameSync(join(staged, part), join(dataDir, part));
      failpoint("k21");
    }
    syncFolder(dataDir);
    rmdirSync(staged);
    syncFolder(dataDir);
  }
}

function keep(dataDir: string, kept: string, name: string): void {
  // What lies in a folder whose own name is lost is lost as well.
  if (mkdirSync(kept, { recursive: true, mode: 0o700 }) !== undefined) syncFolder(dataDir);
  renameSync(join(dataDir, name), join(kept, name));
  syncFolder(kept);
  failpoint("k21");
}
