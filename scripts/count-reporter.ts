import type { Reporter, TestModule } from "vitest/node";

/** Ends a run with one line that any tool can read: `N passed, N failed`. */
export default class CountReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly unknown[]) {
    const counts = { passed: 0, failed: 0, skipped: 0, pending: 0 };
    for (const module of modules) {
      for (const test of module.children.allTests()) counts[test.result().state]++;
      if (module.errors().length > 0) counts.failed++;
    }
    counts.failed += unhandledErrors.length;
    const skipped = counts.skipped + counts.pending;
    const line = `${counts.passed} passed, ${counts.failed} failed${skipped ? `, ${skipped} skipped` : ""}`;
    process.on("exit", () => console.log(line));
  }
}
