import { readdirSync, readFileSync, readlinkSync, statSync } from "node:fs";
import { createServer } from "node:net";
import { askProvider } from "../../compose/providers.ts";
import type { Config } from "../../config.ts";
import { systemClock } from "../../kit/clock.ts";
import { type Finding, fail, ok, warn } from "./finding.ts";

const NODE_MAJOR_MIN = 24;
const PROVIDER_TIMEOUT_MS = 3_000;
/** No clock that is right shows less: this was written then. */
const CLOCK_MIN_MS = Date.UTC(2026, 10, 1);
/** A file that was written later than now says that the clock went back. */
const CLOCK_SLACK_MS = 60_000;

export function examineNode(): Finding {
  const found = `Node ${process.versions.node}, SQLite ${process.versions.sqlite}`;
  const isNewEnough = Number(process.versions.node.split(".")[0]) >= NODE_MAJOR_MIN;
  return isNewEnough ? ok("node", found) : fail("node", found, `install Node ${NODE_MAJOR_MIN} or newer`);
}

/** Settings that work and still deserve a look. */
export function examineSettings(config: Config): Finding {
  const isProduction = config.environment === "production";
  if (!config.isLoopback && config.registration === "open") {
    return warn(
      "settings",
      "anyone who reaches this server may create an account",
      "set PARLEY_REGISTRATION=closed unless you want that",
    );
  }
  if (!config.isLoopback && config.publicUrl === undefined) {
    return warn(
      "settings",
      `HOST is ${config.host} and PARLEY_PUBLIC_URL is not set`,
      "set it to the address that people use, for the links that are made",
    );
  }
  return ok("settings", `right; ${isProduction ? "production" : "development"}`);
}

/** Whether a start would find its port. */
export async function examinePort({ host, port }: Config): Promise<Finding> {
  if (port === 0) return ok("port", "any free one");
  const code = await tryToListen(host, port);
  if (code === null) return ok("port", `${port} is free`);
  if (code !== "EADDRINUSE")
    return fail(
      "port",
      `${host}:${port} cannot be listened on (${code})`,
      "set HOST to an address of this machine, and PORT to 1024 or higher",
    );
  return fail(
    "port",
    `${port} is taken by ${holderOf(port) ?? (await whoAnswers(port))}`,
    "stop that one, or set PORT to another",
  );
}

const tryToListen = (host: string, port: number): Promise<string | null> =>
  new Promise((resolve) => {
    const probe = createServer();
    probe.once("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    probe.listen(port, host, () => probe.close(() => resolve(null)));
  });

/** The process that listens on a port, as Linux shows it to its own user; null elsewhere. */
function holderOf(port: number): string | null {
  const wanted = `:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  try {
    const sockets = ["/proc/net/tcp", "/proc/net/tcp6"]
      .flatMap((file) => readFileSync(file, "utf8").split("\n").slice(1))
      .map((line) => line.trim().split(/\s+/))
      .filter(([, local, , state]) => local?.endsWith(wanted) && state === "0A")
      .map((columns) => `socket:[${columns[9]}]`);
    for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
      if (holds(pid, sockets)) return `process ${pid} (${readFileSync(`/proc/${pid}/comm`, "utf8").trim()})`;
    }
  } catch {
    // Not Linux, or hidden from this user.
  }
  return null;
}

function holds(pid: string, sockets: readonly string[]): boolean {
  try {
    return readdirSync(`/proc/${pid}/fd`).some((fd) =>
      sockets.includes(readlinkSync(`/proc/${pid}/fd/${fd}`)),
    );
  } catch {
    return false;
  }
}

async function whoAnswers(port: number): Promise<string> {
  try {
    const response = await fetch(`http://127.0.0.1:${port}/`, { signal: AbortSignal.timeout(1_000) });
    const { name } = (await response.json()) as { name?: string };
    if (name === "parley") return "another Parley";
  } catch {
    // It speaks something else.
  }
  return "another program";
}

/** Whether the provider that a start would take answers. */
export async function examineProvider(config: Config): Promise<Finding> {
  const { title, modelsCount, failure, isStandIn } = await askProvider(
    config,
    systemClock,
    PROVIDER_TIMEOUT_MS,
  );
  if (failure !== null) return fail("provider", failure, "until then each reply says so");
  if (isStandIn) {
    return warn(
      "provider",
      "none found, so the built-in demo answers by rules alone",
      "start LM Studio, or set OPENAI_API_KEY or OPENAI_BASE_URL",
    );
  }
  if (modelsCount === 0) return fail("provider", `${title} lists no chat model`, "load one there");
  return ok("provider", `${title}, ${modelsCount === 1 ? "1 model" : `${modelsCount} models`}`);
}

/** Whether the clock can be right: sign-in and limits rest on it. */
export function examineClock(nowMs: number, files: readonly string[]): Finding {
  const shown = new Date(nowMs).toISOString();
  const advice = "let the system set its clock (timedatectl set-ntp true)";
  if (nowMs < CLOCK_MIN_MS) return fail("clock", `it shows ${shown}, which is past`, advice);
  const newest = Math.max(0, ...files.map((file) => statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0));
  if (newest > nowMs + CLOCK_SLACK_MS) {
    return warn("clock", `it shows ${shown}, and the data was written later`, advice);
  }
  return ok("clock", shown);
}
