import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { compose, type Server } from "../compose.ts";
import { type Config, isColorWanted, loadConfig } from "../config.ts";
import { hostForPeople, hostForPrograms, hostsOnNetwork } from "../kit/address.ts";
import { systemClock } from "../kit/clock.ts";
import { asRefusal, openDataFolder } from "../kit/data-folder.ts";
import { newId } from "../kit/ids.ts";
import { createLog, type Log } from "../kit/log.ts";
import { openSecrets, type Secrets } from "../kit/secrets.ts";
import { type StopReason, watchForStop } from "../kit/shutdown.ts";
import { StartError } from "../kit/start-error.ts";
import { capYoungHeap } from "../kit/young-heap.ts";
import { codeIn, removeControl, writeControl } from "./control.ts";
import { refuseLostDatabase } from "./lost-database.ts";
import { version } from "./version.ts";
import { welcome } from "./welcome.ts";

/** Beyond the drain: what closing files and sockets may take before the process ends regardless. */
const CLOSE_TIMEOUT_MS = 5_000;

const STAY_ALIVE_MS = 3_600_000;

/** Starts the server and resolves, once it was stopped, with the status to exit with. */
export async function start(): Promise<number> {
  const { config } = loadConfig();
  const log = logOf(config);
  // Everything that is made in the data folder is this user's alone.
  process.umask(0o077);
  ignoreClosedPipes();
  const stop = watchForStop({
    source: process,
    clock: systemClock,
    exit: (status) => endNow(log, status),
    onFault: (error) => log.fatal("a fault of ours; stopping", { error }),
  });
  // A stop waits on timers and files alone, which do not keep a process alive by themselves.
  const stayAlive = setInterval(() => {}, STAY_ALIVE_MS);
  const stopCapping = capYoungHeap(systemClock);
  try {
    const opened = await openServer(config, log);
    const { server, url, dataDir } = opened;
    try {
      log.info("started", { version, url: url.href });
      const greeting = greet(server, config, { url, dataDir });
      void greeting.catch((error) => log.warn("no welcome", { error }));
      const reason = await stop.requested;
      return await end(server, { reason, log, timeoutMs: config.drainTimeoutMs + CLOSE_TIMEOUT_MS });
    } finally {
      opened.release();
    }
  } finally {
    clearInterval(stayAlive);
    stopCapping();
    stop.close();
    log.flush();
  }
}

/** A server that listens, on a data folder that is this process's. */
export interface OpenedServer {
  readonly server: Server;
  /** As people type it. */
  readonly url: URL;
  /** As a program on this machine reaches it. */
  readonly controlUrl: string;
  readonly dataDir: string;
  /** Gives the folder back; after the server was stopped. */
  release(): void;
}

/** Takes the data folder, begins to serve, and lets commands on this machine know where. */
export async function openServer(config: Config, log: Log): Promise<OpenedServer> {
  const folder = openDataFolder(config.dataDir);
  const dataDir = folder.path;
  const release = () => {
    removeControl(dataDir);
    folder.release();
  };
  try {
    const secrets = openSecrets({ dataDir, configured: config.secret, random: randomBytes });
    const server = await putTogether(config, { log, secrets, dataDir });
    try {
      const { host, port } = await server.listen();
      const url = new URL(`http://${hostForPeople(host)}:${port}`);
      const controlUrl = `http://${hostForPrograms(config.host)}:${port}/`;
      writeControl(dataDir, { url: controlUrl, secret: secrets.control, pid: process.pid });
      return { server, url, controlUrl, dataDir, release };
    } catch (error) {
      await server.stop();
      throw listenError(error, config);
    }
  } catch (error) {
    release();
    throw asRefusal(dataDir, error);
  }
}

export const logOf = (config: Config): Log =>
  createLog({
    level: config.logLevel,
    format: config.logFormat ?? (process.stderr.isTTY ? "text" : "json"),
    isColored: process.stderr.isTTY && isColorWanted(),
    secrets: [config.apiKey, config.openaiApiKey, config.secret],
  });

/** Composes a server on a data folder that this process has taken. */
export async function putTogether(
  config: Config,
  { log, secrets, dataDir }: { log: Log; secrets: Secrets; dataDir: string },
): Promise<Server> {
  refuseLostDatabase(dataDir);
  const deps = { log, secrets, clock: systemClock, incarnation: newId() };
  return compose(Object.freeze({ ...config, dataDir }), deps);
}

function listenError(error: unknown, { host, port }: Config): unknown {
  switch ((error as NodeJS.ErrnoException).code) {
    case "EADDRINUSE":
      return new StartError(
        `Port ${port} is taken by another program; stop that one, or set PORT to another.`,
      );
    case "EACCES":
      return new StartError(`Port ${port} needs more rights than this user has; set PORT to 1024 or higher.`);
    case "EADDRNOTAVAIL":
    case "ENOTFOUND":
    case "EAI_AGAIN":
      return new StartError(`HOST ${host} is not an address of this machine; 127.0.0.1 or 0.0.0.0 will do.`);
  }
  return error;
}

async function greet(
  server: Server,
  { host, publicUrl }: Config,
  { url, dataDir }: { url: URL; dataDir: string },
): Promise<void> {
  // What goes to a pipe or a file is kept there, and a code is no thing to keep.
  const isForPerson = process.stdout.isTTY;
  const link = () => (isForPerson ? server.createSignInLink() : null);
  const [provider, signInLink, lineLink] = await Promise.all([server.describeProvider(), link(), link()]);
  process.stdout.write(
    welcome({
      version,
      url: url.origin,
      elsewhere: publicUrl
        ? [publicUrl]
        : hostsOnNetwork(host).map((each) => new URL(`http://${each}:${url.port}`).origin),
      isPublicUrlSet: publicUrl !== undefined,
      dataDir,
      provider,
      signInLink,
      code: lineLink === null ? null : codeIn(lineLink),
      command: existsSync(join("node_modules", ".bin", "parley")) ? "npx parley" : "parley",
      isColored: isForPerson && isColorWanted(),
    }),
  );
}

async function end(
  server: Server,
  { reason, log, timeoutMs }: { reason: StopReason; log: Log; timeoutMs: number },
): Promise<number> {
  log.info("stopping", reason.kind === "signal" ? { signal: reason.signal } : {});
  const overdue = setTimeout(() => {
    log.error("the stop takes too long; ending without it");
    endNow(log, 1);
  }, timeoutMs);
  await server.stop();
  clearTimeout(overdue);
  log.info("stopped");
  return reason.kind === "signal" ? 0 : 1;
}

function endNow(log: Log, status: number): never {
  log.flush();
  process.exit(status);
}

/** Whoever read our output may leave; that must not end the server. */
function ignoreClosedPipes(): void {
  for (const stream of [process.stdout, process.stderr]) stream.on("error", () => {});
}
