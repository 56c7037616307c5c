import { runCli } from "./cli/cli.ts";
import { keepCompiled } from "./cli/compile-cache.ts";

// Before the commands, which are loaded when they are run.
keepCompiled(import.meta.dirname);
process.exitCode = await runCli(process.argv.slice(2));
// Output drains first; but nothing that was left open may keep a stopped server alive.
setTimeout(() => process.exit(), 500).unref();
