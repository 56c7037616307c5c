import { enableCompileCache } from "node:module";
import { join } from "node:path";
import { runCli } from "./cli/cli.ts";

// What V8 made of our code is written beside it as we end, and the next start has it at once: a sixth of the
// time until it listens. Where this user may not write there, nothing happens. Commands are loaded behind this.
enableCompileCache(join(import.meta.dirname, "..", ".cache"));

process.exitCode = await runCli(process.argv.slice(2));
// Output drains first; but nothing that was left open may keep a stopped server alive.
setTimeout(() => process.exit(), 500).unref();
