import { extname } from "node:path";
import { type ResourceLimits, Worker } from "node:worker_threads";
import type { Clock } from "./clock.ts";

/** A thread ended without an answer. */
export class ThreadLost extends Error {
  readonly reason: "memory" | "time" | "fault" | "closed";

  constructor(reason: ThreadLost["reason"], cause?: unknown) {
    super(`a thread ended without an answer (${reason})`, { cause });
    this.reason = reason;
  }
}

/** More waits already than may. */
export class ThreadBusy extends Error {}

export interface Job {
  readonly message: unknown;
  /** What is given away rather than copied; of no more use to the caller. */
  readonly transfer: readonly ArrayBuffer[];
  /** What it holds in memory while it waits. */
  readonly bytes: number;
}

export interface Thread {
  /**
   * Resolves with the answer of the thread; jobs are done one after another, in the order of the calls.
   * Rejects with `ThreadBusy` at once, and with `ThreadLost` where the thread runs out of memory or time or
   * fails: the next job gets a new one.
   */
  run(job: Job): Promise<unknown>;
  /** Ends the thread. What waits or runs is rejected with `ThreadLost`. */
  close(): Promise<void>;
}

interface Waiting extends Job {
  resolve(answer: unknown): void;
  reject(error: Error): void;
}

/**
 * A thread for work that would block the event loop; it is started by the first job and ended when there
 * was none for a while. Its program answers each message with one message.
 */
export function createThread(uses: {
  start(): Worker;
  clock: Clock;
  /** What may wait while a job runs; a job alone is never too large. */
  waitingBytesMax: number;
  jobTimeoutMs: number;
  idleTimeoutMs: number;
}): Thread {
  const { clock } = uses;
  const waiting: Waiting[] = [];
  let waitingBytes = 0;
  let worker: Worker | null = null;
  /** Ends the running job. */
  let fail: ((lost: ThreadLost) => void) | null = null;
  let cancelIdle = () => {};

  async function end(): Promise<void> {
    const ended = worker;
    worker = null;
    await ended?.terminate();
  }

  /** What a thread does once it is not ours any more is nobody's concern. */
  function started(): Worker {
    const made = uses.start();
    const lose = (reason: ThreadLost["reason"], cause: unknown) => {
      if (worker !== made) return;
      worker = null;
      fail?.(new ThreadLost(reason, cause));
    };
    made.on("error", (error: NodeJS.ErrnoException) =>
      lose(error.code === "ERR_WORKER_OUT_OF_MEMORY" ? "memory" : "fault", error),
    );
    made.on("exit", (status) => lose("fault", `exit status ${status}`));
    return made;
  }

  function next(): void {
    if (fail) return;
    const job = waiting.shift();
    if (!job) {
      if (!worker) return;
      worker.unref();
      cancelIdle = clock.after(uses.idleTimeoutMs, () => void end());
      return;
    }
    waitingBytes -= job.bytes;
    cancelIdle();
    worker ??= started();
    const thread = worker;
    thread.ref();
    const settle = (conclude: () => void) => {
      cancelTimeout();
      thread.off("message", onAnswer);
      fail = null;
      conclude();
      next();
    };
    const onAnswer = (answer: unknown) => settle(() => job.resolve(answer));
    fail = (lost) => settle(() => job.reject(lost));
    const cancelTimeout = clock.after(uses.jobTimeoutMs, () => {
      void end();
      fail?.(new ThreadLost("time"));
    });
    thread.on("message", onAnswer);
    try {
      thread.postMessage(job.message, job.transfer);
    } catch (error) {
      fail(new ThreadLost("fault", error));
    }
  }

  return {
    run(job) {
      if (fail && waitingBytes + job.bytes > uses.waitingBytesMax) return Promise.reject(new ThreadBusy());
      return new Promise((resolve, reject) => {
        waiting.push({ ...job, resolve, reject });
        waitingBytes += job.bytes;
        next();
      });
    },
    async close() {
      cancelIdle();
      for (const { reject } of waiting.splice(0)) reject(new ThreadLost("closed"));
      waitingBytes = 0;
      const ended = end();
      fail?.(new ThreadLost("closed"));
      await ended;
    },
  };
}

/**
 * Starts a program of ours as a thread, from the sources or from the bundle.
 * @param from `import.meta.url` of who asks
 * @param name the file's beside it, without what follows its dot
 */
export function startThread(from: string, name: string, resourceLimits: ResourceLimits): Worker {
  const kind = extname(from);
  return new Worker(new URL(`./${name}${kind}`, from), {
    resourceLimits,
    // A thread computes: it has no business with settings and secrets.
    env: {},
    argv: [],
    execArgv: kind === ".ts" ? ["-C", "parley-source"] : [],
  });
}
