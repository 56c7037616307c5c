import { accessSync, chmodSync, constants, statSync } from "node:fs";
import { join, resolve } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { makeFolder } from "./durable-files.ts";
import { isOutOfFiles } from "./out-of-files.ts";
import { finishRestore } from "./restored-folder.ts";
import { LOCK_FILE } from "./sqlite/place.ts";
import { StartError } from "./start-error.ts";

export interface DataFolder {
  /** Absolute. */
  readonly path: string;
  release(): void;
}

/** Another process has the folder. */
export class FolderInUse extends StartError {}

const SQLITE_BUSY = 5;
/** A process that was just killed may take a moment to be gone. */
const LOCK_WAIT_MS = 1_500;

/**
 * Makes the data folder where it is missing, and takes it for this process alone. The lock is SQLite's
 * own on an empty file: the system drops it when the process ends, however it ends. A restore that was
 * cut is carried to its end.
 * Throws a `StartError` where the folder cannot be written, a `FolderInUse` where another process has it.
 */
export function openDataFolder(dataDir: string): DataFolder {
  const path = resolve(dataDir);
  try {
    makeFolder(path);
    accessSync(path, constants.R_OK | constants.W_OK | constants.X_OK);
    keepToThisUser(path);
  } catch (error) {
    throw notWritable(path, error);
  }
  const lock = takeLock(path);
  try {
    finishRestore(path);
  } catch (error) {
    lock.close();
    throw notWritable(path, error);
  }
  return { path, release: () => lock.close() };
}

/** A folder that was there before may be open to others: what Parley keeps in it is nobody else's. */
function keepToThisUser(path: string): void {
  const { uid, mode } = statSync(path);
  if (uid === process.getuid?.() && (mode & 0o077) !== 0) chmodSync(path, 0o700);
}

function takeLock(path: string): DatabaseSync {
  let lock: DatabaseSync | undefined;
  try {
    lock = new DatabaseSync(join(path, LOCK_FILE), { timeout: LOCK_WAIT_MS });
    lock.exec("pragma locking_mode = exclusive; begin exclusive");
    return lock;
  } catch (error) {
    lock?.close();
    if ((error as { errcode?: number }).errcode !== SQLITE_BUSY) throw notWritable(path, error);
    throw new FolderInUse(
      `The data folder ${path} is in use by another Parley; stop that one, or set PARLEY_DATA_DIR to another folder.`,
    );
  }
}

const REASONS: Record<string, string> = {
  EACCES: "this user may not write there",
  EPERM: "this user may not write there",
  EROFS: "the disk is read-only",
  ENOSPC: "the disk is full",
  ENOTDIR: "a part of the path is a file",
  EEXIST: "a file has that name",
};

/** An error of a start as a sentence where the system refused something in its folder; all else as it is. */
export function asRefusal(path: string, error: unknown): unknown {
  const { path: place } = error as NodeJS.ErrnoException;
  return place?.startsWith(path) && !isOutOfFiles(error) ? notWritable(path, error) : error;
}

function notWritable(path: string, error: unknown): StartError {
  const { code, message } = error as NodeJS.ErrnoException;
  const reason = REASONS[code ?? ""] ?? message;
  return new StartError(
    `The data folder ${path} cannot be written (${reason}); set PARLEY_DATA_DIR to a folder that can.`,
  );
}
