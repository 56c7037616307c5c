/**
 * Builds the web page into packages/web/dist, which the server serves at /app/. Whatever is fresh is left
 * alone, and what is new takes its place in one step, so that a server that reads there never sees half of it.
 */
import { chmodSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { build, type Rolldown } from "vite";
import { isStampOf, pageSources, stampOf } from "../packages/server/bin/source-stamp.js";
import { notices } from "./notices.ts";

const root = join(import.meta.dirname, "..");
const home = join(root, "packages", "web");
const STAMP = "sources.stamp";

/** Returns what it did in a line. */
export async function buildPage(dist = join(home, "dist")): Promise<string> {
  const startedMs = performance.now();
  const sources = pageSources(root);
  const name = relative(root, dist);
  if (isStampOf(join(dist, STAMP), sources)) return `${name} is fresh`;

  const stamp = stampOf(sources);
  const made = mkdtempSync(`${dist}-`);
  // A test run builds what everyone else does.
  const { NODE_ENV: before } = process.env;
  process.env.NODE_ENV = "production";
  try {
    const output = await bundle(made);
    writeFileSync(join(made, "THIRD_PARTY_NOTICES"), notices(output));
    writeFileSync(join(made, STAMP), stamp);
    // Temporary folders are made for their maker alone.
    chmodSync(made, 0o755);
    rmSync(dist, { recursive: true, force: true });
    renameSync(made, dist);
  } finally {
    if (before === undefined) delete process.env.NODE_ENV;
    else process.env.NODE_ENV = before;
    rmSync(made, { recursive: true, force: true });
  }
  return `built ${name} in ${Math.round(performance.now() - startedMs)} ms`;
}

/** Gives the paths of all that went into it. */
async function bundle(outDir: string): Promise<string[]> {
  const result = await build({
    configFile: false,
    root: home,
    base: "/app/",
    mode: "production",
    logLevel: "warn",
    resolve: { conditions: ["parley-source", "browser", "import", "module", "default"] },
    build: {
      outDir,
      emptyOutDir: true,
      target: "es2022",
      // The page's policy allows no data in addresses of fonts and scripts, and no script within HTML.
      assetsInlineLimit: 0,
      modulePreload: { polyfill: false },
      reportCompressedSize: false,
    },
  });
  const { output } = result as Rolldown.RolldownOutput;
  return output.flatMap((part) =>
    part.type === "chunk" ? part.moduleIds : part.originalFileNames.map((name) => join(home, name)),
  );
}

if (import.meta.main) console.log(await buildPage());
