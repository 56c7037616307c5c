import { mkdtempSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, sep } from "node:path";
import { bundle } from "../../../../../scripts/build.ts";
import type { Entry } from "../../rig/server.ts";

const root = join(import.meta.dirname, "../../../../..");
const sources = join(root, "packages", "server", "src");

/** A change of one source file: `from` stands there exactly once. */
export interface Edit {
  /** Below packages/server/src. */
  file: string;
  from: string;
  to: string;
}

export interface Program {
  entry: Entry;
  remove(): void;
}

/**
 * Bundles the server with its test entry into a temporary folder: a kill costs a start, and a bundle
 * starts three times faster than the sources. With `edits` it is another product than ours. An edit that
 * does not fit the sources any more, or of which nothing came into the bundle, is an error.
 */
export async function buildProgram(edits: readonly Edit[] = []): Promise<Program> {
  const folder = mkdtempSync(join(tmpdir(), "parley-program-"));
  const remove = () => rmSync(folder, { recursive: true, force: true });
  // What is not bundled, the page, is looked for from there.
  symlinkSync(join(root, "node_modules"), join(folder, "node_modules"));
  const edited = Map.groupBy(edits, ({ file }) => join(sources, ...file.split("/")));
  const left = new Set(edited.keys());
  const dist = join(folder, "dist");
  try {
    await bundle(dist, "test-entry.ts", [
      {
        name: "edits",
        load(id) {
          const own = edited.get(id.replaceAll("/", sep));
          if (!own) return null;
          left.delete(id);
          return { code: own.reduce(change, readFileSync(id, "utf8")), moduleType: "ts" };
        },
      },
    ]);
    if (left.size > 0) throw new Error(`not in the server: ${[...left].join(", ")}`);
  } catch (error) {
    remove();
    throw error;
  }
  return { entry: { bundle: join(dist, "parley.js") }, remove };
}

function change(text: string, { file, from, to }: Edit): string {
  const found = text.split(from).length - 1;
  if (found !== 1) throw new Error(`${file} has ${found} times, not once: ${from}`);
  return text.replace(from, () => to);
}
