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

/**
 * What is hostile is found before it is unpacked or parsed. One class costs more: 16 MiB of sound JSON in
 * which one letter makes the whole take two bytes a letter. It is read as a card, for but for its name it is
 * one: the file, its text at twice that, and where each text has such a letter all of them once more.
 */
const MIB_MAX = 64;
const WIDE_MIB_MAX = 84;

// Only Linux tells a process its own peak.
test.runIf(process.platform === "linux")(
  "a hostile file costs at most 64 MiB, itself included; 16 MiB of sound wide JSON at most 84",
  async () => {
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
      .filter(
        ({ name, peakMib }) =>
          peakMib > (/beside one letter|of texts|of wide texts/.test(name) ? WIDE_MIB_MAX : MIB_MAX),
      );
    expect(over).toEqual([]);
  },
  180_000,
);
