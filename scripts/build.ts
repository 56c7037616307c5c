/**
 * Bundles the server into packages/server/dist: our sources, the contract and every library into a few
 * files, which start several times faster than sources and hundreds of modules do. What is loaded
 * lazily stays a file of its own. Beside it: the licences of what is in it, and a stamp of the sources.
 */
import { rmSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { type Plugin, rolldown } from "rolldown";
import { serverSources, stampOf } from "../packages/server/bin/source-stamp.js";
import { buildPage } from "./build-page.ts";
import { notices } from "./notices.ts";

const root = join(import.meta.dirname, "..");
const home = join(root, "packages", "server");

/** Builds into `dist`, by default where `npm start` looks; returns what it did in a line. */
export async function build(dist = join(home, "dist")): Promise<string> {
  const startedMs = performance.now();
  const stamp = stampOf(serverSources(root));
  // What earlier runs kept of an earlier bundle (main.ts) is of no use to this one.
  rmSync(join(home, ".cache"), { recursive: true, force: true });
  const modules = await bundle(dist, "main.ts");
  writeFileSync(join(dist, "THIRD_PARTY_NOTICES"), notices(modules));
  // Last: without it the bundle counts as stale.
  writeFileSync(join(dist, "sources.stamp"), stamp);
  const tookMs = Math.round(performance.now() - startedMs);
  return `built ${relative(root, dist)} from ${modules.length} modules in ${tookMs} ms`;
}

/**
 * Bundles one entry of the server's sources into `dist/parley.js` and its parts; returns the modules in
 * it. With `plugins` the sources can be read in another way.
 */
export async function bundle(dist: string, entry: string, plugins: Plugin[] = []): Promise<string[]> {
  rmSync(dist, { recursive: true, force: true });
  const build = await rolldown({
    input: {
      parley: join(home, "src", entry),
      // Programs of threads, each beside the part that starts it.
      "parts/card-worker": join(home, "src", "modules", "characters", "card-worker.ts"),
    },
    plugins,
    platform: "node",
    resolve: {
      conditionNames: ["parley-source", "node", "import", "default"],
      // Fastify loads these for servers with a certificate, which ours is not; they cost more than it does.
      alias: { "node:http2": false, "node:https": false },
    },
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
  const modules = output.flatMap((part) => (part.type === "chunk" ? part.moduleIds : []));
  // What the bundler makes itself, such as an empty module, is in no file.
  return modules.filter((id) => !id.startsWith("\0"));
}

if (import.meta.main) {
  console.log(await build());
  console.log(await buildPage());
}
