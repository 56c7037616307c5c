import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { until } from "../faults/until.ts";

const main = fileURLToPath(new URL("../../src/main.ts", import.meta.url));
const root = fileURLToPath(new URL("../../../../", import.meta.url));

/** `script` of util-linux runs a program in a pseudo-terminal; Debian has it in an essential package. */
const hasScript = (() => {
  const { status, stdout } = spawnSync("script", ["--version"], { encoding: "utf8" });
  return status === 0 && stdout.includes("util-linux");
})();

/** Why nothing can be tried in a pseudo-terminal here, or null where it can. */
export const terminalMissing: string | null = hasScript
  ? null
  : "`script` of util-linux is not on this machine, so nothing was tried in a pseudo-terminal.";

export const keys = { enter: "\r", ctrlC: "\u0003", ctrlD: "\u0004", up: "\u001b[A" };

/** A program in a terminal of 80 columns. */
export interface Terminal {
  /** All that it has shown, escape sequences included. */
  raw(): string;
  /** The same as text alone. */
  text(): string;
  /** Waits until a text is shown behind what was awaited before, and passes it. */
  sees(what: string | RegExp): Promise<string>;
  /** Types. */
  type(text: string): void;
  /** Resolves with the exit status. */
  exited: Promise<number>;
  kill(): void;
}

const started = new Set<ReturnType<typeof spawn>>();
process.on("exit", () => {
  for (const child of started) child.kill("SIGKILL");
});

/** Starts a command of Parley in a pseudo-terminal. */
export function openTerminal(
  args: readonly string[],
  options: { dataDir: string; env?: Record<string, string> },
): Terminal {
  const command = [process.execPath, "-C", "parley-source", main, ...args].map(quote).join(" ");
  const child = spawn("script", ["-qfec", `stty cols 80 rows 24; exec ${command}`, "/dev/null"], {
    cwd: options.dataDir,
    env: {
      PATH: process.env.PATH ?? "",
      SHELL: "/bin/sh",
      TERM: "xterm",
      PORT: "0",
      PARLEY_DATA_DIR: options.dataDir,
      LMSTUDIO_BASE_URL: "http://127.0.0.1:9/v1",
      NODE_COMPILE_CACHE: `${root}node_modules/.cache/parley-journeys`,
      ...options.env,
    },
    stdio: ["pipe", "pipe", "pipe"],
  });
  started.add(child);
  let raw = "";
  let passed = 0;
  // A read may end within a character.
  child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
    raw += chunk;
  });
  child.stdin.on("error", () => {});
  const text = () => stripEscapes(raw);
  return {
    raw: () => raw,
    text,
    async sees(what) {
      const find = () => {
        const rest = text().slice(passed);
        const found = typeof what === "string" ? rest.indexOf(what) : rest.search(what);
        if (found < 0) return false;
        const length = typeof what === "string" ? what.length : (what.exec(rest)?.[0].length ?? 0);
        passed += found + length;
        return rest.slice(found, found + length);
      };
      try {
        return await until(`"${what}" on the terminal`, find);
      } catch (error) {
        throw new Error(`${(error as Error).message}; it shows:\n${text().slice(passed - 200)}`);
      }
    },
    type: (typed) => void child.stdin.write(typed),
    exited: once(child, "close").then(([code]) => {
      started.delete(child);
      return code as number;
    }),
    kill: () => void child.kill("SIGKILL"),
  };
}

const quote = (word: string) => `'${word.replaceAll("'", "'\\''")}'`;

/** Without what moves the cursor and colours; the line editor redraws with these. */
const stripEscapes = (text: string) =>
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is taken out
  text.replaceAll(/\u001b\[[0-9;?]*[A-Za-z]/g, "").replaceAll("\r", "");
