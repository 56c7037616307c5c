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
/** When the collector comes is chance, and worth some MiB: what seems dear is looked at so often again. */
const MORE_LOOKS = 2;

// Only Linux tells a process its own peak.
test.runIf(process.platform === "linux")("a hostile file costs at most 64 MiB, itself included", async () => {
  const folder = await mkdtemp(join(tmpdir(), "parley-cards-"));
  const warmUp = join(folder, "warm-up");
  await writeFile(warmUp, cardPng({ name: "Mira", description: "" }));
  const small: [string, string][] = [];
  const files = new Map<string, { name: string; type: string }>();
  const costs: Cost[] = [];
  for (const { name, type, bytes, expected } of [...badFiles(), ...goodFiles()]) {
    // Too large a body is not read in.
    if ("code" in expected && expected.code === "payload_too_large") continue;
    const path = join(folder, String(files.size));
    files.set(path, { name, type });
    const file = bytes();
    await writeFile(path, file);
    // A process of its own, for memory that an earlier file has left behind would hide what this one takes.
    if (file.length > LARGE_BYTES) costs.push(...(await costsOf(warmUp, [[type, path]])));
    else small.push([type, path]);
  }
  costs.push(...(await costsOf(warmUp, small)));
  expect(costs).toHaveLength(files.size);
  const over: Cost[] = [];
  for (const dear of costs.filter(({ peakMib }) => peakMib > MIB_MAX)) {
    const { type = "" } = files.get(dear.path) ?? {};
    const looks = [dear];
    while (looks.length <= MORE_LOOKS) looks.push(...(await costsOf(warmUp, [[type, dear.path]])));
    if (looks.every(({ peakMib }) => peakMib > MIB_MAX)) over.push(dear);
  }
  expect(over.map(({ path, peakMib }) => ({ name: files.get(path)?.name, peakMib }))).toEqual([]);
});
