import { write, writeSync } from "node:fs";

/** What waits to be written, at most; lines beyond it are dropped rather than kept for a reader that is slow. */
const WAITING_UNITS_MAX = 4 * 1024 * 1024;
const RETRY_MS = 20;
/** How often a full pipe is tried again at the end of the process: a second in all. */
const FLUSH_TRIES_MAX = 50;

export interface LogOutput {
  /** Takes a line; it is written soon, off the event loop. */
  write(line: string): void;
  /** Writes what waits, synchronously and for a second at most. */
  flush(): void;
}

/**
 * Writes lines to a descriptor. What cannot be written is dropped: a log whose reader is gone or whose disk is
 * full must hold up neither the server nor its end.
 */
export function createLogOutput(fd: number): LogOutput {
  let waiting = "";
  let isWriting = false;
  /** What a full pipe did not take, until it is tried again. */
  let held: { bytes: Buffer; retry: NodeJS.Timeout } | null = null;

  const isBusy = (error: unknown) => (error as NodeJS.ErrnoException).code === "EAGAIN";

  function writeSome(bytes: Buffer): void {
    isWriting = true;
    write(fd, bytes, (error, written) => {
      if (error && isBusy(error)) {
        const retry = setTimeout(() => {
          held = null;
          writeSome(bytes);
        }, RETRY_MS).unref();
        held = { bytes, retry };
        return;
      }
      if (!error && written < bytes.length) return writeSome(bytes.subarray(written));
      isWriting = false;
      next();
    });
  }

  function next(): void {
    if (isWriting || waiting === "") return;
    const bytes = Buffer.from(waiting);
    waiting = "";
    writeSome(bytes);
  }

  return {
    write(line) {
      if (waiting.length + line.length > WAITING_UNITS_MAX) return;
      waiting += line;
      next();
    },
    flush() {
      clearTimeout(held?.retry);
      let bytes = Buffer.concat([held?.bytes ?? Buffer.alloc(0), Buffer.from(waiting)]);
      if (held) isWriting = false;
      held = null;
      waiting = "";
      for (let tries = 0; bytes.length > 0 && tries < FLUSH_TRIES_MAX; ) {
        try {
          bytes = bytes.subarray(writeSync(fd, bytes));
        } catch (error) {
          if (!isBusy(error)) return;
          tries++;
          Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, RETRY_MS);
        }
      }
    },
  };
}
