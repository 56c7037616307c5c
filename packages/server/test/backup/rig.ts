import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import { newDataDir, runParley } from "../rig/server.ts";

export interface Manifest {
  path: string;
  parley_version: string;
  format_version: number;
  parts: { path: string; bytes: number; sha256: string; schema_version?: number }[];
  counts: Record<string, number>;
  complaints: string[];
}

/** Takes a backup of a data folder into a folder of its own, and resolves with what it says. */
export async function takeBackup(dataDir: string, into = newDataDir()): Promise<Manifest> {
  const { code, stdout, stderr } = await runParley(["backup", into, "--json"], { dataDir });
  expect(stderr).toBe("");
  expect(code).toBe(0);
  return JSON.parse(stdout);
}

export const restoreInto = (dataDir: string, backup: string, ...more: string[]) =>
  runParley(["restore", backup, ...more], { dataDir });

/** Changes a backup's manifest. */
export function changeManifest(backup: string, change: (manifest: Manifest) => void): void {
  const path = join(backup, "manifest.json");
  const manifest = JSON.parse(readFileSync(path, "utf8")) as Manifest;
  change(manifest);
  writeFileSync(path, JSON.stringify(manifest));
}

export interface Finding {
  name: string;
  status: "ok" | "warn" | "fail";
  detail: string;
  advice?: string;
}

/** What the doctor finds, by name. */
export async function doctorOf(
  dataDir: string,
  env: Record<string, string> = {},
  args: string[] = [],
): Promise<{ code: number | string; of(name: string): Finding | undefined; findings: Finding[] }> {
  const { code, stdout } = await runParley(["doctor", "--json", ...args], { dataDir, env });
  const { findings } = JSON.parse(stdout) as { findings: Finding[] };
  return { code, findings, of: (name) => findings.find((finding) => finding.name === name) };
}
