/**
 * Bundles the server into packages/server/dist: our sources, the contract and every library into a few
 * files, which start several times faster than sources and hundreds of modules do. What is loaded
 * lazily stays a file of its own. Beside it: the licences of what is in it, and the hash of the sources.
 */
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { rolldown } from "rolldown";
import { hashSources } from "../packages/server/bin/source-hash.js";

const root = join(import.meta.dirname, "..");
const home = join(root, "packages", "server");

/** Builds into `dist`, by default where `npm start` looks; returns what it did in a line. */
export async function build(dist = join(home, "dist")): Promise<string> {
  const startedMs = performance.now();
  const modules = await bundle(dist);
  writeFileSync(join(dist, "THIRD_PARTY_NOTICES"), notices(modules));
  // Last: without it the bundle counts as stale.
  writeFileSync(join(dist, "sources.sha256"), hashSources(home));
  const tookMs = Math.round(performance.now() - startedMs);
  return `built ${relative(root, dist)} from ${modules.length} modules in ${tookMs} ms`;
}

async function bundle(dist: string): Promise<string[]> {
  rmSync(dist, { recursive: true, force: true });
  const build = await rolldown({
    input: { parley: join(home, "src", "main.ts") },
    platform: "node",
    resolve: { conditionNames: ["parley-source", "node", "import", "default"] },
    // The page's files are read from their package where it lies.
    external: ["@parley-chat/web/package.json"],
    logLevel: "warn",
  });
  const { output } = await build.write({
    dir: dist,
    format: "esm",
    entryFileNames: "[name].js",
    chunkFileNames: "parts/[name]-[hash].js",
    minify: { compress: false, mangle: false, codegen: { removeWhitespace: false } },
  });
  await build.close();
  return output.flatMap((part) => (part.type === "chunk" ? part.moduleIds : []));
}

/** The licence texts of every package that went into the bundle. */
function notices(modules: readonly string[]): string {
  const packages = new Map<string, string>();
  for (const module of modules) {
    const found = /^(.*\/node_modules\/((?:@[^/]+\/)?[^/]+))\//.exec(module);
    if (found && !(found[2] as string).startsWith("@parley-chat/"))
      packages.set(found[1] as string, found[2] as string);
  }
  const texts = [...packages]
    .sort(([, a], [, b]) => (a < b ? -1 : 1))
    .map(([folder, name]) => notice(folder, name));
  return `This bundle holds the following packages.\n\n${texts.join("\n")}`;
}

function notice(folder: string, name: string): string {
  const { version, license } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  return `${"=".repeat(80)}\n${name} ${version} (${license})\n\n${licenceText(folder)}\n`;
}

function licenceText(folder: string): string {
  for (const name of [
    "LICENSE",
    "LICENSE.md",
    "LICENSE.txt",
    "LICENCE",
    "license",
    "LICENSE-MIT",
    "License",
  ]) {
    try {
      return readFileSync(join(folder, name), "utf8").trim();
    } catch {
      // Under another name, or in none: its package.json names the licence.
    }
  }
  return "";
}

if (import.meta.main) console.log(await build());
