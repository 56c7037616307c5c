import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import { digestOf } from "../../kit/durable-files.ts";
import type { Examined } from "../../kit/sqlite/examine.ts";
import { StartError } from "../../kit/start-error.ts";
import { blobPath, databases, missingBlobs } from "../backup/manifest.ts";
import { lostDatabase } from "../lost-database.ts";
import { counted, type Progress, sizeText } from "../progress.ts";
import { type Finding, fail, ok, warn } from "./finding.ts";

/** Both databases: every page, the schema, and the promises that can be seen in them. */
export async function* examineDatabases(
  dataDir: string,
  isServed: boolean,
  progress: Progress,
): AsyncGenerator<Finding> {
  const lost = existsSync(dataDir) ? lostDatabase(dataDir) : null;
  for (const { name, schemaKnown, examine } of databases) {
    const path = join(dataDir, name);
    if (name === lost) {
      yield fail(
        name,
        existsSync(path)
          ? "empty, while the other database holds data"
          : "not there, while the other database holds data",
        "stop the server and `parley restore` the last good backup with --replace",
      );
      continue;
    }
    if (!existsSync(path)) {
      if (existsSync(dataDir))
        yield warn(
          name,
          "not there",
          "the next start makes an empty one; a lost one comes back by `parley restore`",
        );
      continue;
    }
    progress.begin(`Checking ${name}`);
    let found: Examined;
    try {
      found = examine(path, { isAtRest: false });
    } catch (error) {
      if (!(error instanceof StartError)) throw error;
      yield fail(name, error.message, "mend that first");
      continue;
    }
    const { schemaVersion, counts, isDamaged } = found;
    const complaints = [
      ...found.complaints,
      ...missingBlobs(found.blobs, (blob) => existsSync(join(dataDir, blob))),
      ...(await changedBlobs(dataDir, found.blobs, progress)),
    ];
    const holds = Object.entries(counts).map(([what, n]) => counted(n, what));
    if (isDamaged) {
      yield fail(
        name,
        `damaged: ${complaints.join(", ")}`,
        "stop the server and `parley restore` the last good backup with --replace",
      );
    } else if (schemaVersion > schemaKnown) {
      yield fail(
        name,
        `schema ${schemaVersion}, this Parley knows ${schemaKnown}`,
        "install the newer version again, or restore a backup from before it",
      );
    } else if (complaints.length > 0) {
      yield fail(
        name,
        complaints.join(", "),
        "keep a copy of the folder and report this; a backup from before it can be restored",
      );
    } else if (schemaVersion < schemaKnown && !isServed) {
      yield ok(name, `schema ${schemaVersion}; the next start brings it to ${schemaKnown}`);
    } else yield ok(name, [`${sizeText(bytesOf(path))}, whole`, ...holds].join(", "));
  }
}

/** What a database takes on disk, with what is not folded into it yet. */
const bytesOf = (path: string): number =>
  statSync(path).size + (statSync(`${path}-wal`, { throwIfNoEntry: false })?.size ?? 0);

/** What to say of pictures whose bytes are not those they were stored with. */
async function changedBlobs(
  dataDir: string,
  hashes: readonly string[],
  progress: Progress,
): Promise<string[]> {
  let changed = 0;
  for (const [n, hash] of hashes.entries()) {
    progress.show("Hashing the pictures", n / hashes.length);
    const path = join(dataDir, blobPath(hash));
    if (!existsSync(path)) continue;
    const isWhole = await digestOf(path).then(
      ({ sha256 }) => sha256 === hash,
      () => false,
    );
    if (!isWhole) changed++;
  }
  return changed === 0 ? [] : [`${changed} pictures that are not what their name says`];
}
