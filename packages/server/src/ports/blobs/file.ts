import { hash as hashOf } from "node:crypto";
import { mkdir, open, opendir, readFile, rename, rm, stat, utimes } from "node:fs/promises";
import { dirname, join } from "node:path";
import { Problem } from "@parley-chat/sdk/contract/problem";
import type { Clock } from "../../kit/clock.ts";
import { createKeyedQueue } from "../../kit/keyed-queue.ts";
import { storageProblem } from "../../kit/sqlite/errors.ts";
import { StartError } from "../../kit/start-error.ts";
import type { Blobs } from "./blobs.ts";

const HASH = /^[0-9a-f]{64}$/;
const DRAFTS = "drafts";

/**
 * Blobs as files of one folder that this process has for itself, in 256 folders by their first digits.
 * A file's time of change is when it was last stored.
 */
export async function createFileBlobs(uses: { folder: string; clock: Clock }): Promise<Blobs> {
  const { folder, clock } = uses;
  const inTurn = createKeyedQueue();
  const pathOf = (hash: string) => join(folder, hash.slice(0, 2), hash);
  let drafts = 0;

  // What a kill left half written; nobody else writes here.
  try {
    await rm(join(folder, DRAFTS), { recursive: true, force: true });
    await makeFolder(join(folder, DRAFTS));
  } catch (error) {
    throw notUsable(folder, error);
  }

  async function store(hash: string, bytes: Uint8Array): Promise<void> {
    const path = pathOf(hash);
    const draft = join(folder, DRAFTS, String(++drafts));
    try {
      // What is there may be from a put that failed before its name was durable.
      if (!(await touch(path, clock.now()))) {
        await writeSynced(draft, bytes, clock.now());
        await makeFolder(dirname(path));
        await rename(draft, path);
      }
      await sync(dirname(path));
    } catch (error) {
      // Where that is refused as well, the next start removes it.
      await rm(draft, { force: true }).catch(() => {});
      throw storageProblem(error) ?? vanished(error) ?? error;
    }
  }

  return {
    name: "file",
    async put(bytes) {
      const hash = hashOf("sha256", bytes, "hex");
      await inTurn(hash, () => store(hash, bytes));
      return hash;
    },
    get: async (hash) => (HASH.test(hash) ? orNull(readFile(pathOf(hash))) : null),
    async *storedBefore(time) {
      for await (const shard of await opendir(folder)) {
        if (!/^[0-9a-f]{2}$/.test(shard.name)) continue;
        for await (const { name } of await opendir(join(folder, shard.name))) {
          if (HASH.test(name) && (await storedAt(pathOf(name))) < time) yield name;
        }
      }
    },
    removeStoredBefore: (hash, time) =>
      inTurn(hash, async () => {
        if (!HASH.test(hash) || !((await storedAt(pathOf(hash))) < time)) return false;
        await rm(pathOf(hash), { force: true });
        return true;
      }),
  };
}

/** A put makes the folders that it needs, but the outermost ones were there at the start. */
function vanished(error: unknown): Problem | null {
  if ((error as NodeJS.ErrnoException).code !== "ENOENT") return null;
  const detail = "Nothing can be stored just now: the folder of the pictures is gone. Try again in a moment.";
  return new Problem("storage_unavailable", detail, { retryAfterS: 1, cause: error });
}

function notUsable(folder: string, error: unknown): StartError {
  const { code, message } = error as NodeJS.ErrnoException;
  const reason = code === "ENOTDIR" || code === "EEXIST" ? "it is no folder" : message;
  return new StartError(
    `The pictures cannot be kept in ${folder} (${reason}); move what has that name away, or let this user write there.`,
    { cause: error },
  );
}

/** Milliseconds since 1970; what is not there was never stored. */
const storedAt = async (path: string): Promise<number> =>
  (await orNull(stat(path)))?.mtimeMs ?? Number.POSITIVE_INFINITY;

async function touch(path: string, time: number): Promise<boolean> {
  return (await orNull(utimes(path, time / 1_000, time / 1_000))) !== null;
}

async function writeSynced(path: string, bytes: Uint8Array, time: number): Promise<void> {
  const file = await open(path, "wx", 0o600);
  try {
    await file.writeFile(bytes);
    await file.utimes(time / 1_000, time / 1_000);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** Makes a folder, and those above it, that are still there after a power failure. */
async function makeFolder(path: string): Promise<void> {
  const first = await mkdir(path, { recursive: true, mode: 0o700 });
  if (first === undefined) return;
  for (let made = path; made.length >= first.length; made = dirname(made)) await sync(dirname(made));
}

/** A new name in a folder is durable once the folder is synced; not every system can do that (Windows). */
async function sync(folder: string): Promise<void> {
  if (process.platform === "win32") return;
  const handle = await open(folder, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** The result, or null where there is no such file. */
async function orNull<T>(work: Promise<T>): Promise<T | null> {
  try {
    return await work;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
}
