import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { defineConfig } from "vitest/config";

/** Whatever tests leave in temporary folders goes with the run. */
const scratch = mkdtempSync(join(tmpdir(), "parley-test-"));
process.on("exit", () => rmSync(scratch, { recursive: true, force: true }));

const conditions = ["parley-source", "node", "import", "module", "default"];

export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions, externalConditions: conditions } },
  test: {
    include: ["packages/*/{src,test}/**/*.test.{ts,tsx}", "scripts/**/*.test.ts"],
    globalSetup: "./scripts/fresh-page.ts",
    env: { TMPDIR: scratch },
    // Only for what hangs: a slow and busy machine takes many times what ours does.
    testTimeout: 600_000,
    hookTimeout: 600_000,
    expect: { poll: { timeout: 100_000 } },
    reporters: ["default", "./scripts/count-reporter.ts"],
  },
});
