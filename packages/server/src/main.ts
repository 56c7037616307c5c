import { runCli } from "./cli/cli.ts";

process.exitCode = await runCli(process.argv.slice(2));
// Output drains first; but nothing that was left open may keep a stopped server alive.
setTimeout(() => process.exit(), 500).unref();
