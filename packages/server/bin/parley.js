#!/usr/bin/env node
// Plain JavaScript for whichever Node is there: finds a Node that is new enough, and the server to run on it.
import { spawn, spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { constants } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const NODE_MAJOR_MIN = 24;
const SIGNALS = /** @type {const} */ (["SIGINT", "SIGTERM", "SIGHUP"]);

const home = dirname(dirname(fileURLToPath(import.meta.url)));
const args = process.argv.slice(2);
const { entry, flags } = await chooseEntry();
const isNewEnough = Number(process.versions.node.split(".")[0]) >= NODE_MAJOR_MIN;
if (args[0] === "start") await refreshPage();

if (isNewEnough && flags.length === 0) {
  await import(pathToFileURL(entry).href);
} else {
  const node = isNewEnough ? process.execPath : findNode();
  if (node) runOn(node);
  else {
    process.stderr.write(
      `parley: Parley needs Node ${NODE_MAJOR_MIN} or newer and this is ${process.version}; install it from https://nodejs.org.\n`,
    );
    process.exitCode = 1;
  }
}

/** The bundle; in a clone whose sources have changed since it was made, the sources themselves. */
async function chooseEntry() {
  const bundle = join(home, "dist", "parley.js");
  if (existsSync(join(home, "src"))) {
    const { isStampOf, serverSources } = await import("./source-stamp.js");
    const sources = serverSources(join(home, "..", ".."));
    const isFresh = existsSync(bundle) && isStampOf(join(home, "dist", "sources.stamp"), sources);
    if (!isFresh) return { entry: join(home, "src", "main.ts"), flags: ["-C", "parley-source"] };
  }
  return { entry: bundle, flags: [] };
}

/** In a clone whose page has changed since it was built, builds it: a browser cannot run the sources. */
async function refreshPage() {
  const root = join(home, "..", "..");
  const script = join(root, "scripts", "build-page.ts");
  if (!existsSync(join(home, "src")) || !existsSync(join(root, "node_modules", "vite"))) return;
  const { isStampOf, pageSources } = await import("./source-stamp.js");
  if (isStampOf(join(root, "packages", "web", "dist", "sources.stamp"), pageSources(root))) return;
  const node = isNewEnough ? process.execPath : findNode();
  if (node) spawnSync(node, [script], { stdio: ["ignore", "ignore", "inherit"] });
}

/** The Node that npm installed beside us for machines whose own is older. */
function findNode() {
  const platform = process.platform === "win32" ? "win" : process.platform;
  const binary = process.platform === "win32" ? "bin/node.exe" : "bin/node";
  try {
    const found = createRequire(import.meta.url).resolve(`node-${platform}-${process.arch}/${binary}`);
    return existsSync(found) ? found : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Runs the server as a child that gets our signals and gives us its status. The channel between us
 * tells it when we are gone without a word, so that it never outlives us unseen.
 * @param {string} node
 */
function runOn(node) {
  // At this signal Node would open its debugger.
  process.on("SIGUSR1", () => {});
  const child = spawn(node, [...flags, entry, ...args], { stdio: ["inherit", "inherit", "inherit", "ipc"] });
  for (const signal of SIGNALS) process.on(signal, () => child.kill(constants.signals[signal]));
  child.on("error", (error) => {
    process.stderr.write(`parley: ${node} does not run (${error.message}).\n`);
    process.exitCode = 1;
  });
  child.on("exit", (status, signal) =>
    process.exit(status ?? 128 + (signal ? constants.signals[signal] : 0)),
  );
}
