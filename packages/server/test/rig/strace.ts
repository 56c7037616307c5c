import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync, readFileSync, readSync, statSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { until } from "../faults/until.ts";
import { newDataDir } from "./server.ts";

/** Whether it is here, and the system lets it trace. */
export const hasStrace = (() => {
  try {
    execFileSync("strace", ["-f", "-o", "/dev/null", "true"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
})();

/** Says loudly that what needs strace was not exercised, and in CI fails. */
export function requireStrace(what: string): void {
  if (hasStrace) return;
  console.error(`NOT EXERCISED: ${what}. No strace was found that may trace; apt-get install strace.`);
  test(`strace is at hand for: ${what}`, () => expect(process.env.CI).toBeUndefined());
}

/** All that changes files or leaves by a socket; those that a machine does not have are no error. */
const CALLS = [
  ..."openat open creat pwrite64 write writev pwritev pwritev2 sendto sendmsg sendfile splice".split(" "),
  ..."ftruncate truncate fallocate copy_file_range fdatasync fsync sync_file_range msync".split(" "),
  ..."unlink unlinkat rename renameat renameat2 mkdir mkdirat rmdir link linkat symlink symlinkat".split(" "),
];

/** A recording of what a process asks of the system, from its first call on. */
export interface Recording {
  /** What to start the process under; it stays a child of the test. */
  under: readonly string[];
  /** The whole text, once the process has ended. */
  text(): Promise<string>;
}

export function newRecording(): Recording {
  const path = join(newDataDir(), "calls");
  // Calls that are not traced cost nothing with a filter in the kernel. Texts whole, every byte as \xNN.
  const flags = ["-D", "-f", "--seccomp-bpf", "-y", "-xx", "-s", "16777216", "-e", "signal=kill"];
  return {
    under: ["strace", ...flags, "-e", `trace=${CALLS.map((name) => `?${name}`)}`, "-o", path],
    async text() {
      const pid = readFileSync(path, "latin1").slice(0, 20).split(" ")[0];
      const isLast = new RegExp(`^${pid} +\\+\\+\\+ (killed|exited) .*\\n$`, "m");
      await until("the end of the recording", () => isLast.test(tailOf(path)));
      return readFileSync(path, "latin1");
    },
  };
}

const TAIL_BYTES = 200;

function tailOf(path: string): string {
  const file = openSync(path, "r");
  const tail = Buffer.alloc(TAIL_BYTES);
  const length = readSync(file, tail, 0, TAIL_BYTES, Math.max(0, statSync(path).size - TAIL_BYTES));
  closeSync(file);
  return tail.toString("latin1", 0, length);
}

/** What to start a process under so that calls fail from the first on, of files whose paths are given. */
export const underFaults = (faults: readonly string[], paths: readonly string[]): string[] => [
  ...["strace", "-D", "-f", "-o", "/dev/null"],
  ...faults.flatMap((fault) => ["-e", `inject=${fault}`]),
  ...paths.flatMap((path) => ["-P", path]),
];

/** Faults of the kernel's own making in a running process, as strace's `--inject` has them. */
export interface Injection {
  /** Resolves once the process is on its own again. */
  end(): Promise<void>;
}

/**
 * Lets every call of a running process that one of these expressions names fail or wait, e.g.
 * `pwrite64,fsync:error=ENOSPC`. Resolves once it is in force.
 */
export async function inject(pid: number, faults: readonly string[]): Promise<Injection> {
  const traced = faults.map((fault) => fault.split(":")[0]).join();
  const args = ["-f", "-p", String(pid), "-o", "/dev/null", "-e", `trace=${traced}`];
  for (const fault of faults) args.push("-e", `inject=${fault}`);
  const tracer = spawn("strace", args, {
    stdio: ["ignore", "ignore", "pipe"],
  });
  tracers.add(tracer);
  let said = "";
  tracer.stderr?.on("data", (chunk: Buffer) => {
    said += chunk;
  });
  const exited = once(tracer, "exit").then(() => void tracers.delete(tracer));
  await until("strace to be attached", () => {
    if (tracer.exitCode !== null) throw new Error(said);
    return said.includes("attached");
  });
  return {
    async end() {
      tracer.kill("SIGINT");
      await exited;
    },
  };
}

const tracers = new Set<ChildProcess>();
process.on("exit", () => {
  for (const tracer of tracers) tracer.kill("SIGKILL");
});
