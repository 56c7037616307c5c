// Run by `npm install` and `npm pack`, on whichever Node is there: makes what `npm start` runs.
import { existsSync } from "node:fs";
import { join } from "node:path";

const modules = join(import.meta.dirname ?? ".", "..", "node_modules");

if (!existsSync(join(modules, "rolldown"))) {
  console.log("prepare: no development dependencies here, so nothing is built.");
} else if (Number(process.versions.node.split(".")[0]) < 24) {
  console.log(
    `prepare: Parley needs Node 24 or newer and this is ${process.version}; install it from https://nodejs.org.`,
  );
} else {
  const { build } = await import("./build.ts");
  const { buildPage } = await import("./build-page.ts");
  console.log(await build());
  console.log(await buildPage());
}
