/** What must hold before anything is committed, beside the tests; every step is shown with its time. */
import { spawnSync } from "node:child_process";
import { join } from "node:path";

const root = join(import.meta.dirname, "..");
const bin = (name: string) => join(root, "node_modules", ".bin", name);

const steps: readonly [name: string, command: string, args: readonly string[]][] = [
  ["types", bin("tsc"), []],
  ["types of the page", bin("tsc"), ["-p", "packages/web"]],
  ["style and rules", bin("biome"), ["check", "--error-on-warnings", "."]],
  ["nothing unused", bin("knip"), []],
  ["reference", process.execPath, ["-C", "parley-source", "scripts/docs.ts", "--check"]],
];

let failed = 0;
for (const [name, command, args] of steps) {
  const startedMs = performance.now();
  const { status, stdout, stderr } = spawnSync(command, args, { cwd: root, encoding: "utf8" });
  const took = `${((performance.now() - startedMs) / 1_000).toFixed(1)} s`;
  console.log(`${status === 0 ? "ok    " : "FAILED"}  ${name.padEnd(18)} ${took}`);
  if (status === 0) continue;
  failed++;
  console.log(`${stdout ?? ""}${stderr ?? ""}`);
}
process.exitCode = failed > 0 ? 1 : 0;
