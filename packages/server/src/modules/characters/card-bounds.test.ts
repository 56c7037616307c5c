import { execFile } from "node:child_process";
import { mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { badFiles, goodFiles } from "../../../test/cards/corpus.ts";
import { cardPng } from "../../../test/cards/make-png.ts";

const child = fileURLToPath(new URL("./card-bounds-child.ts", import.meta.url));
const LARGE_BYTES = 150_000;

interface Cost {
  path: string;
  outcome: string;
  ms: number;
  peakMib: number;
}

async function costsOf(warmUp: string, files: readonly [type: string, path: string][]): Promise<Cost[]> {
  const { stdout } = await promisify(execFile)(process.execPath, [
    "-C",
    "parley-source",
    child,
    "image/png",
    warmUp,
    ...files.flat(),
  ]);
  return stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Cost);
}

/** The peak of the whole process, the reading thread with its heap included, above an idle one. */
const MIB_MAX = 64;

// Only Linux tells a process its own peak.
test.runIf(process.platform === "linux")("a hostile file costs at most 64 MiB, itself included", async () => {
  const folder = await mkdtemp(join(tmpdir(), "parley-cards-"));
  const warmUp = join(folder, "warm-up");
  await writeFile(warmUp, cardPng({ name: "Mira", description: "" }));
  const small: [string, string][] = [];
  const names = new Map<string, string>();
  const costs: Cost[] = [];
  for (const { name, type, bytes, expected } of [...badFiles(), ...goodFiles()]) {
    // Too large a body is not read in.
    if ("code" in expected && expected.code === "payload_too_large") continue;
    const path = join(folder, String(names.size));
    names.set(path, name);
    const file = bytes();
    await writeFile(path, file);
    // A process of its own, for memory that an earlier file has left behind would hide what this one takes.
    if (file.length > LARGE_BYTES) costs.push(...(await costsOf(warmUp, [[type, path]])));
    else small.push([type, path]);
  }
  costs.push(...(await costsOf(warmUp, small)));
  expect(costs).toHaveLength(names.size);
  const over = costs
    .map(({ path, peakMib }) => ({ name: names.get(path) ?? "", peakMib }))
    .filter(({ peakMib }) => peakMib > MIB_MAX);
  expect(over).toEqual([]);
});
