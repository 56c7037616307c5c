// Not published: tells whether what is in a dist folder was made from the sources that are there now.
import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/**
 * The hash of all that goes into the server's bundle: our sources and the contract's, and the versions
 * that the lockfile names.
 * @param {string} home the folder of the server package
 */
export function hashSources(home) {
  const root = join(home, "..", "..");
  const folders = ["packages/sdk/src", "packages/server/src"];
  return hash(root, folders, ["packages/server/package.json", "package-lock.json", "scripts/build.ts"]);
}

/**
 * The same for the page.
 * @param {string} root the folder of the project
 */
export function hashPage(root) {
  const files = ["package.json", "tsconfig.json", "index.html"].map((name) => `packages/web/${name}`);
  const folders = ["packages/sdk/src", "packages/web/src"];
  return hash(root, folders, [...files, "package-lock.json", "scripts/build-page.ts"]);
}

/**
 * @param {string} root
 * @param {string[]} folders
 * @param {string[]} files
 */
function hash(root, folders, files) {
  const hash = createHash("sha256");
  for (const folder of folders) {
    const entries = readdirSync(join(root, folder), { recursive: true, withFileTypes: true });
    const names = entries.filter((entry) => entry.isFile() && !/\.test\.tsx?$/.test(entry.name));
    for (const path of names.map((entry) => join(entry.parentPath, entry.name)).sort())
      hash.update(`${path.slice(root.length)}\n`).update(readFileSync(path));
  }
  for (const name of files) hash.update(`${name}\n`).update(readFileSync(join(root, name)));
  return hash.digest("hex");
}
