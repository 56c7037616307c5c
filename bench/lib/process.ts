import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, mkdirSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";

/** What a run writes; on the project's own disk, because in a temporary folder syncing may cost nothing. */
export const rootFolder = new URL("../data/", import.meta.url).pathname;
mkdirSync(rootFolder, { recursive: true });
export const dataFolder = mkdtempSync(`${rootFolder}run-`);

const START_TIMEOUT_MS = 20_000;
const STOP_TIMEOUT_MS = 5_000;

export interface Start {
  args: readonly string[];
  env?: Record<string, string>;
  /** Where it runs and where `output.log` of it is. */
  folder?: string;
  /** The one core it may run on; see `cores.ts`. */
  core?: number | null;
}

export interface Running {
  readonly pid: number;
  /** CPU time of the process's threads and of what it started, in milliseconds. */
  cpuMs(): number;
  /** Memory that is in use by the process, in MiB. */
  residentMb(): number;
  /** The same with shared pages by share, and without them. */
  memoryMb(): { resident: number; proportional: number; own: number };
  send(message: object): void;
  /** The next message of the process that has this field. */
  receive(field: string): Promise<Record<string, unknown>>;
  stop(): Promise<void>;
}

const children = new Set<ChildProcess>();
const stops = new Set<() => Promise<void>>();
process.on("exit", () => {
  for (const child of children) child.kill("SIGKILL");
  if (process.exitCode === 0) rmSync(dataFolder, { recursive: true, force: true });
  else console.error(`What the programs wrote is in ${dataFolder}.`);
});
for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => process.exit(130));

/** Starts a program with a clean environment under this very Node, with a channel for messages. */
export function start({ args, env = {}, folder = dataFolder, core = null }: Start): Running {
  const log = openSync(join(folder, "output.log"), "a");
  const [file, ...words] = [
    ...(core === null ? [] : ["taskset", "-c", String(core)]),
    process.execPath,
    ...args,
  ];
  const child = spawn(file as string, words, { env, cwd: folder, stdio: ["ignore", log, log, "ipc"] });
  closeSync(log);
  children.add(child);
  const exited = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  void exited.then(() => children.delete(child));
  const pid = child.pid as number;

  const stop = async () => {
    stops.delete(stop);
    child.kill("SIGTERM");
    const kill = setTimeout(() => child.kill("SIGKILL"), STOP_TIMEOUT_MS);
    await exited;
    clearTimeout(kill);
  };
  stops.add(stop);

  return {
    pid,
    cpuMs: () => cpuMsOf(pid),
    residentMb: () => residentMbOf(pid),
    memoryMb: () => memoryMbOf(pid),
    send: (message) => void child.send(message),
    receive: (field) =>
      new Promise((resolve, reject) => {
        const take = (message: object) => {
          if (!(field in message)) return;
          child.off("message", take);
          resolve(message as Record<string, unknown>);
        };
        child.on("message", take);
        void exited.then(() => reject(new Error(`${args.join(" ")} ended before it sent ${field}`)));
      }),
    stop,
  };
}

/** Ends everything that was started and still runs. */
export async function stopAll(): Promise<void> {
  await Promise.all([...stops].map((stop) => stop()));
}

/** A program of this folder, e.g. `references/pipe.ts`, which sends its port once it listens. */
export const startProgram = (file: string, ...args: string[]): Promise<Running & { port: number }> =>
  startProgramOn(null, file, ...args);

/** The same on one core. */
export async function startProgramOn(
  core: number | null,
  file: string,
  ...args: string[]
): Promise<Running & { port: number }> {
  const running = start({ args: [new URL(`../${file}`, import.meta.url).pathname, ...args], core });
  const { port } = await withTimeout(running.receive("port"), START_TIMEOUT_MS, `${file} did not start`);
  return { ...running, port: port as number };
}

export function withTimeout<T>(work: Promise<T>, timeoutMs: number, sentence: string): Promise<T> {
  let timer: NodeJS.Timeout;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${sentence} within ${timeoutMs} ms`)), timeoutMs);
  });
  return Promise.race([work, late]).finally(() => clearTimeout(timer));
}

const residentMbOf = (pid: number): number =>
  Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) / 1_024;

function memoryMbOf(pid: number) {
  const text = readFileSync(`/proc/${pid}/smaps_rollup`, "utf8");
  const mb = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, "m").exec(text)?.[1]) / 1_024;
  return {
    resident: mb("Rss"),
    proportional: mb("Pss"),
    own: mb("Private_Clean") + mb("Private_Dirty"),
  };
}

function cpuMsOf(pid: number): number {
  const tasks = readdirSync(`/proc/${pid}/task`);
  return tasks.reduce((sum, task) => {
    const [ns] = readFileSync(`/proc/${pid}/task/${task}/schedstat`, "utf8").split(" ");
    const started = readFileSync(`/proc/${pid}/task/${task}/children`, "utf8").trim();
    const below = started === "" ? [] : started.split(" ").map(Number);
    return sum + Number(ns) / 1e6 + below.reduce((all, child) => all + cpuMsOf(child), 0);
  }, 0);
}
