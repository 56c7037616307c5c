// Not published: tells whether the bundle in dist was made from the sources that are there now.
import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/**
 * The hash of all that goes into the bundle: our sources and the contract's, and the versions that
 * the lockfile names.
 * @param {string} home the folder of the server package
 */
export function hashSources(home) {
  const root = join(home, "..", "..");
  const hash = createHash("sha256");
  for (const folder of ["packages/sdk/src", "packages/server/src"]) {
    const names = readdirSync(join(root, folder), { recursive: true, encoding: "utf8" });
    const sources = names.filter((name) => name.endsWith(".ts") && !name.endsWith(".test.ts")).sort();
    for (const name of sources)
      hash.update(`${folder}/${name}\n`).update(readFileSync(join(root, folder, name)));
  }
  for (const name of ["packages/server/package.json", "package-lock.json", "scripts/build.ts"]) {
    hash.update(`${name}\n`).update(readFileSync(join(root, name)));
  }
  return hash.digest("hex");
}
