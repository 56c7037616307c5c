/**
 * Reads card files as an import does, and prints for each what it cost beyond what the process had before
 * the file was in memory: `{path, outcome, ms, peakMib}`, a line each.
 * Arguments: pairs of a content type and a path, the first to warm up. The peak is told by Linux alone.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { Problem } from "@parley-chat/sdk/contract/problem";
import { systemClock } from "../../kit/clock.ts";
import { createCardReader } from "./card-reader.ts";

const reader = createCardReader({ clock: systemClock });

async function outcomeOf(file: Uint8Array, type: string): Promise<string> {
  try {
    await reader.readCard({ file, type });
    return "taken";
  } catch (error) {
    if (error instanceof Problem) return error.detail;
    return String(error);
  }
}

const memoryKib = (name: "VmRSS" | "VmHWM"): number =>
  Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(readFileSync("/proc/self/status", "utf8"))?.[1]);

// Code and tables are no part of what a file costs.
const [warmType = "", warmPath = "", ...args] = process.argv.slice(2);
for (const type of [warmType, "application/json"]) await outcomeOf(readFileSync(warmPath), type);
for (let i = 0; i < args.length; i += 2) {
  const [type, path] = [args[i] as string, args[i + 1] as string];
  // The peak counts from here (proc(5)).
  writeFileSync("/proc/self/clear_refs", "5");
  const beforeKib = memoryKib("VmRSS");
  const file = readFileSync(path);
  const startedMs = performance.now();
  const outcome = await outcomeOf(file, type);
  const ms = Math.round(performance.now() - startedMs);
  const peakMib = Math.round((memoryKib("VmHWM") - beforeKib) / 1024);
  process.stdout.write(`${JSON.stringify({ path, outcome, ms, peakMib })}\n`);
}
