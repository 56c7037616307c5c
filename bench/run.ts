import { spawnSync } from "node:child_process";
import { existsSync, statSync } from "node:fs";
import { options, refuse } from "./lib/options.ts";
import type { Bench } from "./lib/report.ts";

/** By name; a bench is loaded when it is run, after what it needs was installed. */
const benches: Record<string, { bar: number; load: () => Promise<{ bench: Bench }> }> = {
  create: { bar: 1, load: () => import("./bar-01-create.ts") },
  "create-alone": { bar: 2, load: () => import("./bar-02-create-alone.ts") },
  list: { bar: 3, load: () => import("./bar-03-list.ts") },
  relay: { bar: 4, load: () => import("./bar-04-relay.ts") },
  turn: { bar: 5, load: () => import("./bar-05-turn.ts") },
  steady: { bar: 6, load: () => import("./bar-06-steady.ts") },
  frames: { bar: 7, load: () => import("./bar-07-frames.ts") },
  fanout: { bar: 8, load: () => import("./bar-08-fanout.ts") },
  idle: { bar: 9, load: () => import("./bar-09-idle.ts") },
  context: { bar: 11, load: () => import("./bar-11-context.ts") },
  start: { bar: 12, load: () => import("./bar-12-start.ts") },
  memory: { bar: 13, load: () => import("./bar-13-memory.ts") },
  request: { bar: 14, load: () => import("./bar-14-request.ts") },
};

/** What has no bar, and takes its time: by name only. Resolves with whether all was well. */
const others: Record<string, { about: string; load: () => Promise<{ run: () => Promise<boolean> }> }> = {
  growth: { about: "what grows with the history", load: () => import("./growth.ts") },
  soak: { about: "steady load for --minutes N", load: () => import("./soak.ts") },
};

const folder = new URL(".", import.meta.url).pathname;

/** Installs bench/package.json on first use, and again when its lockfile is newer. */
function install(): void {
  const installed = `${folder}node_modules/.package-lock.json`;
  const isFresh =
    existsSync(installed) && statSync(installed).mtimeMs >= statSync(`${folder}package-lock.json`).mtimeMs;
  if (isFresh) return;
  console.log("installing what the references need …");
  const { status } = spawnSync("npm", ["ci"], { cwd: folder, stdio: ["ignore", "ignore", "inherit"] });
  if (status !== 0) throw new Error("npm ci in bench/ failed");
}

const named = (name: string): string[] => {
  if (name === "all") return Object.keys(benches);
  if (Object.hasOwn(others, name)) return [name];
  const bar = Number(/^(?:bar-?)?0*(\d+)$/.exec(name)?.[1]);
  return Object.keys(benches).filter((key) => key === name || benches[key]?.bar === bar);
};

function usage(): void {
  console.log("npm run bench -- <name> [--profile], or all of them: npm run bench -- all\n");
  for (const [name, { bar }] of Object.entries(benches)) console.log(`  ${name.padEnd(14)} bar ${bar}`);
  for (const [name, { about }] of Object.entries(others)) console.log(`  ${name.padEnd(14)} ${about}`);
}

const chosen = options.names.flatMap((name) => {
  const found = named(name);
  if (found.length === 0) refuse(`There is no bench "${name}"; \`npm run bench\` lists them.`);
  return found;
});
if (chosen.length === 0 || options.isHelpWanted) {
  usage();
  process.exit(0);
}
install();
// These make the folder of a run, so not before there is one.
const { stopAll } = await import("./lib/process.ts");
const { report } = await import("./lib/report.ts");
let isWell = true;
for (const name of chosen) {
  const other = others[name];
  if (other) {
    console.log(`${name}: ${other.about}`);
    isWell = (await (await other.load()).run()) && isWell;
    await stopAll();
    continue;
  }
  const { bench } = await (benches[name] as (typeof benches)[string]).load();
  console.log(`${name}: ${bench.title}`);
  const ratios = await bench.run();
  await stopAll();
  report(bench.bar, ratios);
}
process.exit(isWell ? 0 : 1);
