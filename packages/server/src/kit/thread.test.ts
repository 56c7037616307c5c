import { setImmediate as turn } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import { afterEach, expect, test } from "vitest";
import { manualClock } from "./clock.ts";
import { createThread, type Thread, ThreadBusy, ThreadLost } from "./thread.ts";

/** Does as it is told: answers with its own number, or does what a thread should not do. */
const PROGRAM = `
  const { parentPort, threadId } = require("node:worker_threads");
  parentPort.on("message", ({ does, bytes }) => {
    if (does === "hang") for (;;);
    if (does === "throw") throw new Error("on purpose");
    if (does === "exit") process.exit(0);
    if (does === "fill") for (const all = []; ; ) all.push(new Array(1e5).fill(1.5));
    parentPort.postMessage({ threadId, length: bytes?.length });
  });`;
const TIMEOUT_MS = 1_000;
const IDLE_MS = 500;

let thread: Thread | undefined;
afterEach(() => thread?.close());

function open() {
  const clock = manualClock();
  const workers: Worker[] = [];
  thread = createThread({
    start() {
      const limits = { maxOldGenerationSizeMb: 32, maxYoungGenerationSizeMb: 4 };
      const worker = new Worker(PROGRAM, { eval: true, env: {}, resourceLimits: limits });
      workers.push(worker);
      return worker;
    },
    clock,
    waitingBytesMax: 100,
    jobTimeoutMs: TIMEOUT_MS,
    idleTimeoutMs: IDLE_MS,
  });
  const { run } = thread;
  const does = (what: string, bytes = 1) =>
    run({ message: { does: what }, transfer: [], bytes }) as Promise<{ threadId: number }>;
  return { clock, workers, run, does };
}

const lost = async (job: Promise<unknown>) => {
  const error = await job.then(
    () => null,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(ThreadLost);
  return (error as ThreadLost).reason;
};
const gone = (worker: Worker | undefined) => new Promise((resolve) => worker?.once("exit", resolve));

test("nothing is started before the first job, and one thread does them all, in another thread than ours", async () => {
  const { workers, does } = open();
  expect(workers).toEqual([]);
  const answers = await Promise.all([does("answer"), does("answer"), does("answer")]);
  expect(workers).toHaveLength(1);
  expect(new Set(answers.map(({ threadId }) => threadId))).toEqual(new Set([workers[0]?.threadId]));
  expect(workers[0]?.threadId).toBeGreaterThan(0);
});

test("bytes are given away and not copied", async () => {
  const { run } = open();
  const bytes = new Uint8Array(50);
  const answer = await run({ message: { bytes }, transfer: [bytes.buffer], bytes: 50 });
  expect(answer).toMatchObject({ length: 50 });
  expect(bytes.length).toBe(0);
});

test.each([
  ["throw", "fault"],
  ["exit", "fault"],
  ["fill", "memory"],
])(
  "a job that makes its thread %s is answered, and the next one is done by a new thread",
  async (what, reason) => {
    const { workers, does } = open();
    const [bad, good] = [lost(does(what)), does("answer")];
    expect(await bad).toBe(reason);
    expect(await good).toMatchObject({ threadId: workers[1]?.threadId });
    expect(workers).toHaveLength(2);
  },
);

test("a job that hangs is given up after its time, and the next one is done by a new thread", async () => {
  const { clock, workers, does } = open();
  await does("answer");
  const [bad, good] = [lost(does("hang")), does("answer")];
  const ended = gone(workers[0]);
  await clock.advance(TIMEOUT_MS - 1);
  expect(workers).toHaveLength(1);
  await clock.advance(1);
  expect(await bad).toBe("time");
  expect(await good).toMatchObject({ threadId: workers[1]?.threadId });
  await ended;
});

test("an idle thread is ended after a while", async () => {
  const { clock, workers, does } = open();
  await does("answer");
  await clock.advance(IDLE_MS - 1);
  await does("answer");
  await clock.advance(IDLE_MS - 1);
  await does("answer");
  expect(workers).toHaveLength(1);
  const idle = gone(workers[0]);
  await clock.advance(IDLE_MS);
  await idle;
  await does("answer");
  expect(workers).toHaveLength(2);
});

test("what waits is bounded by its bytes; a job that need not wait may have any size", async () => {
  const { does } = open();
  const taken = [does("answer", 1_000), does("answer", 60), does("answer", 40)];
  await expect(does("answer", 1)).rejects.toBeInstanceOf(ThreadBusy);
  await Promise.all(taken);
  await does("answer", 1_000);
});

test("closing ends the thread and every job, also one that hangs", async () => {
  const { workers, does } = open();
  await does("answer");
  const jobs = [does("hang"), does("answer")].map(lost);
  await turn();
  const ended = gone(workers[0]);
  await thread?.close();
  expect(await Promise.all(jobs)).toEqual(["closed", "closed"]);
  await ended;
});
