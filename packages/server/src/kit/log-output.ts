import { constants, fstatSync, openSync, writeSync } from "node:fs";

/** What waits to be written, at most; lines beyond it are dropped rather than kept for a reader that is slow. */
const WAITING_UNITS_MAX = 4 * 1024 * 1024;
const RETRY_MS = 20;
/** How often a full pipe is tried again at the end of the process: a second in all. */
const FLUSH_TRIES_MAX = 50;
const NOTHING: Buffer = Buffer.alloc(0);

export interface LogOutput {
  /** Takes a line; those of one turn of the event loop are written together. */
  write(line: string): void;
  /** Writes what waits at once, and tries a full pipe again for a second at most. */
  flush(): void;
}

/**
 * Writes lines to a descriptor, in their order. What cannot be written is dropped: a log whose reader is gone
 * or whose disk is full must hold up neither the server nor its end.
 */
export function createLogOutput(descriptor: number): LogOutput {
  const fd = withoutBlocking(descriptor);
  let waiting = "";
  /** What a full pipe has not taken yet. */
  let held = NOTHING;
  let isScheduled = false;

  /** False where a full pipe took only a part. */
  function writeOut(): boolean {
    let bytes = Buffer.concat([held, Buffer.from(waiting)]);
    waiting = "";
    held = NOTHING;
    try {
      while (bytes.length > 0) bytes = bytes.subarray(writeSync(fd, bytes));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "EAGAIN") held = bytes;
    }
    return held.length === 0;
  }

  function run(): void {
    isScheduled = false;
    if (writeOut()) return;
    isScheduled = true;
    setTimeout(run, RETRY_MS).unref();
  }

  return {
    write(line) {
      if (waiting.length + held.length + line.length > WAITING_UNITS_MAX) return;
      waiting += line;
      if (isScheduled) return;
      isScheduled = true;
      setImmediate(run);
    },
    flush() {
      for (let tries = 0; !writeOut() && tries < FLUSH_TRIES_MAX; tries++) {
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, RETRY_MS);
      }
    },
  };
}

/** A pipe whose reader is slow must not hold up the event loop; where the system cannot help that, it does. */
function withoutBlocking(fd: number): number {
  try {
    if (!fstatSync(fd).isFIFO()) return fd;
    return openSync(`/proc/self/fd/${fd}`, constants.O_WRONLY | constants.O_NONBLOCK);
  } catch {
    return fd;
  }
}
