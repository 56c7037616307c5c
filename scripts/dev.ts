/** The server from its sources, restarted on every change of them, and the page built on every change of its own. */
import { spawn } from "node:child_process";
import { watch } from "node:fs";
import { join } from "node:path";
import { buildPage } from "./build-page.ts";

const SETTLED_MS = 100;
const root = join(import.meta.dirname, "..");

const build = () => buildPage().then(console.log, (error) => console.error(String(error)));
await build();
let timer: NodeJS.Timeout | undefined;
watch(join(root, "packages", "web", "src"), { recursive: true }, () => {
  clearTimeout(timer);
  timer = setTimeout(build, SETTLED_MS);
});

const entry = join(root, "packages", "server", "src", "main.ts");
const args = ["--watch", "-C", "parley-source", entry, "start"];
const server = spawn(process.execPath, args, { stdio: "inherit" });
for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => server.kill(signal));
server.on("exit", (code, signal) => process.exit(signal ? 1 : code));
