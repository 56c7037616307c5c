import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { writeNeededFile } from "../kit/secrets.ts";
import { StartError } from "../kit/start-error.ts";

const ANSWER_TIMEOUT_MS = 5_000;

/** Whether the server of a data folder answers, and what it says of itself; null where none runs. */
export async function askWhetherReady(
  dataDir: string,
): Promise<{ url: string; pid: number; failing: string[] } | null> {
  const control = readControl(dataDir);
  if (!control) return null;
  try {
    const response = await fetch(new URL("/ready", control.url), {
      redirect: "error",
      signal: AbortSignal.timeout(ANSWER_TIMEOUT_MS),
    });
    const { checks = {} } = (await response.json()) as { checks?: Record<string, string> };
    const failing = Object.keys(checks).filter((name) => checks[name] !== "ok");
    return { url: control.url, pid: control.pid, failing };
  } catch {
    return null;
  }
}

/** How a command on this machine reaches the running server: what `control.json` in the data folder holds. */
export interface ControlFile {
  url: string;
  secret: string;
  pid: number;
}

const pathIn = (dataDir: string) => join(dataDir, "control.json");

/** Lets commands that can read the data folder reach this process. Throws a `StartError` where it cannot be written. */
export function writeControl(dataDir: string, control: ControlFile): void {
  writeNeededFile(pathIn(dataDir), control);
}

/** What the disk does not let go leads nowhere, as after a kill, and must not be what a stop fails at. */
export function removeControl(dataDir: string): void {
  try {
    rmSync(pathIn(dataDir), { force: true });
  } catch {}
}

/** A way in: where the server answers on this machine, and a link that signs the owner in once. */
export interface SignIn {
  url: string;
  link: string;
}

/** The code in a sign-in link. */
export const codeIn = (link: string): string => link.split("#code=")[1] ?? "";

/** Where the server of a data folder last said that it answers; null where none runs. */
export const controlUrl = (dataDir: string): string | null => readControl(dataDir)?.url ?? null;

/**
 * Asks the running server for a sign-in link; null where none runs. What a killed server left behind
 * leads nowhere, or to a stranger, who learns a secret that died with it.
 */
export async function askForSignIn(dataDir: string): Promise<SignIn | null> {
  const control = readControl(dataDir);
  if (!control) return null;
  let response: Response;
  try {
    response = await fetch(new URL("/internal/sign-in-link", control.url), {
      method: "POST",
      headers: { "x-parley-control": control.secret },
      redirect: "error",
      signal: AbortSignal.timeout(ANSWER_TIMEOUT_MS),
    });
  } catch (error) {
    if ((error as Error).name !== "TimeoutError") return null;
    throw new StartError(`The running server at ${control.url} does not answer; try again, or restart it.`);
  }
  if (!response.ok) return null;
  const { link } = (await response.json()) as { link?: unknown };
  return typeof link === "string" ? { url: control.url, link } : null;
}

function readControl(dataDir: string): ControlFile | null {
  try {
    const { url, secret, pid } = JSON.parse(readFileSync(pathIn(dataDir), "utf8")) as Partial<ControlFile>;
    return url && secret && pid ? { url, secret, pid } : null;
  } catch {
    return null;
  }
}
