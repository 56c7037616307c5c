import { type ChildProcess, spawn } from "node:child_process";
import { randomInt } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Client, createClient } from "@parley-chat/sdk";

const root = fileURLToPath(new URL("../../../../", import.meta.url));
/** Only for what hangs. */
const READY_MS_MAX = 100_000;

export interface ServerOptions {
  /** The data folder of an earlier start, to go on with it. */
  dataDir?: string;
  env?: Record<string, string>;
  /** Armed by the test entry point, e.g. `k04:kill@1`. */
  failpoints?: string[];
  entry?: Entry;
  /** A program and its arguments that starts the server's program in its own place, as a tracer does. */
  under?: readonly string[];
}

/** A Parley server in a process of its own. */
export interface Server {
  url: string;
  dataDir: string;
  pid: number;
  /** All that it has printed to the terminal, and to its log. */
  stdout(): string;
  stderr(): string;
  /** Resolves with the exit code, or the signal that ended it. */
  exited: Promise<number | string>;
  kill(signal?: NodeJS.Signals): Promise<number | string>;
  /** A client with the key that acts as the owner. */
  owner: Client;
  client(token?: string): Client;
}

/** The key that acts as the owner in every journey. */
export const OWNER_KEY = "owner-key-of-the-journeys";

const started = new Set<ChildProcess>();
const dataDirs = new Set<string>();
process.on("exit", () => {
  for (const child of started) child.kill("SIGKILL");
  for (const dir of dataDirs) rmSync(dir, { recursive: true, force: true });
});

/** Starts the program: through the test entry point, or as it is shipped. */
function spawnParley(
  args: readonly string[],
  { dataDir, env, entry = "test-entry", input, under = [] }: Launch & { dataDir: string },
) {
  const sources = (name: string) => ["-C", "parley-source", join(root, `packages/server/src/${name}.ts`)];
  const program = typeof entry === "string" ? sources(entry) : [entry.bundle];
  const line = [...under, process.execPath, ...program, ...args];
  const child = spawn(line[0] as string, line.slice(1), {
    cwd: dataDir,
    env: {
      PATH: process.env.PATH ?? "",
      PORT: "0",
      PARLEY_DATA_DIR: dataDir,
      API_KEY: OWNER_KEY,
      LMSTUDIO_BASE_URL: "http://127.0.0.1:9/v1",
      NO_COLOR: "1",
      // Dozens of starts read the same sources, or the same bundle, with which its cache goes.
      NODE_COMPILE_CACHE:
        typeof entry === "string"
          ? join(root, "node_modules/.cache/parley-journeys")
          : join(entry.bundle, "../cache"),
      ...env,
    },
    // The channel tells a server whose test run was ended from outside to end as well.
    stdio: [input === undefined ? "ignore" : "pipe", "pipe", "pipe", "ipc"],
  });
  child.stdin?.on("error", () => {}).end(input);
  return child;
}

type Launch = Pick<ServerOptions, "dataDir" | "env" | "entry" | "under"> & { input?: string };

/** `main` is what ships; `test-entry` is the same with failpoints; a bundle of that starts sooner. */
export type Entry = "main" | "test-entry" | { bundle: string };

/** Runs a command to its end, with `input` to read; kills it where it goes on for longer than a start may take. */
export async function runParley(
  args: readonly string[],
  options: Launch = {},
): Promise<{ code: number | string; stdout: string; stderr: string }> {
  const child = spawnParley(args, { ...options, dataDir: options.dataDir ?? newDataDir() });
  started.add(child);
  const output = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const) {
    child[name]?.setEncoding("utf8").on("data", (chunk: string) => {
      output[name] += chunk;
    });
  }
  const timer = setTimeout(() => child.kill("SIGKILL"), READY_MS_MAX);
  const [code, signal] = await once(child, "close");
  clearTimeout(timer);
  started.delete(child);
  return { code: code ?? signal, ...output };
}

/** Starts the real server on a free port of loopback, with a data folder of its own. */
export async function startServer(options: ServerOptions = {}): Promise<Server> {
  const dataDir = options.dataDir ?? newDataDir();
  const failpoints = (options.failpoints ?? []).flatMap((name) => ["--failpoint", name]);
  const child = spawnParley(["start", ...failpoints], { ...options, dataDir });
  started.add(child);
  let stdout = "";
  let stderr = "";
  // A read may end within a character.
  child.stdout?.setEncoding("utf8").on("data", (chunk: string) => {
    stdout += chunk;
  });
  child.stderr?.setEncoding("utf8").on("data", (chunk: string) => {
    stderr += chunk;
  });
  const exited = once(child, "close").then(([code, signal]) => {
    started.delete(child);
    return (code ?? signal) as number | string;
  });
  const url = await addressOf(
    child,
    () => stdout,
    () => stderr,
    exited,
  );
  const client = (token?: string) => createClient({ baseUrl: url, ...(token !== undefined && { token }) });
  return {
    url,
    dataDir,
    pid: child.pid as number,
    stdout: () => stdout,
    stderr: () => stderr,
    exited,
    kill: (signal = "SIGKILL") => {
      child.kill(signal);
      return exited;
    },
    owner: client(OWNER_KEY),
    client,
  };
}

const LASTING_PORTS = { from: 11_000, count: 20_000 };
const PORT_TRIES_MAX = 100;

/**
 * A port for a server that goes and comes back. It lies below those that systems give to whoever asks for
 * any, so that nobody else has it meanwhile.
 */
export async function lastingPort(): Promise<number> {
  for (let tries = 0; tries < PORT_TRIES_MAX; tries++) {
    const port = LASTING_PORTS.from + randomInt(LASTING_PORTS.count);
    const probe = createServer();
    const isFree = await new Promise<boolean>((resolve) => {
      probe.once("error", () => resolve(false));
      probe.listen(port, "127.0.0.1", () => resolve(true));
    });
    if (!isFree) continue;
    await new Promise((resolve) => probe.close(resolve));
    return port;
  }
  throw new Error("no port is free");
}

/** A code that signs the owner in, once, as the link of `parley sign-in-link` has it. */
export async function newSignInCode({ dataDir }: { dataDir: string }): Promise<string> {
  const { stdout, stderr } = await runParley(["sign-in-link"], { dataDir });
  const code = /#code=([\w-]{20,})$/.exec(stdout.trim())?.[1];
  if (code === undefined) throw new Error(`no sign-in link: ${stdout}${stderr}`);
  return code;
}

export const newDataDir = (): string => {
  const dir = mkdtempSync(join(tmpdir(), "parley-journey-"));
  dataDirs.add(dir);
  return dir;
};

/** Waits for the printed address; rejects with all output where the process ends before it. */
function addressOf(
  child: ChildProcess,
  stdout: () => string,
  stderr: () => string,
  exited: Promise<number | string>,
): Promise<string> {
  return new Promise((resolve, reject) => {
    const fail = (why: string) => reject(new Error(`${why}\n${stdout()}\n${stderr()}`));
    const timer = setTimeout(() => {
      child.kill("SIGKILL");
      fail("the server was not ready in time");
    }, READY_MS_MAX);
    const look = () => {
      const match = /http:\/\/(localhost|127\.0\.0\.1|\[::1\]):(\d+)/.exec(stdout());
      if (!match) return;
      clearTimeout(timer);
      resolve(`http://${match[1] === "[::1]" ? "[::1]" : "127.0.0.1"}:${match[2]}`);
    };
    child.stdout?.on("data", look);
    void exited.then((code) => {
      clearTimeout(timer);
      fail(`the server ended with ${code}`);
    });
  });
}

/** Reads a file of a data folder as JSON. */
export const readJson = (server: { dataDir: string }, name: string): unknown =>
  JSON.parse(readFileSync(join(server.dataDir, name), "utf8"));
