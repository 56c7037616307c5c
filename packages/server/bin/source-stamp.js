// Not published: tells whether what is in a dist folder was made from the sources that are there now.
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";

/** @typedef {{ root: string, paths: readonly string[] }} Sources files by their paths below a folder */

/**
 * All that goes into the server's bundle: our sources and the contract's, and the versions that the lockfile
 * names.
 * @param {string} root the folder of the project
 */
export function serverSources(root) {
  const folders = ["packages/sdk/src", "packages/server/src"];
  return sourcesIn(root, folders, ["packages/server/package.json", "package-lock.json", "scripts/build.ts"]);
}

/**
 * The same for the page.
 * @param {string} root the folder of the project
 */
export function pageSources(root) {
  const files = ["package.json", "tsconfig.json", "index.html"].map((name) => `packages/web/${name}`);
  const folders = ["packages/sdk/src", "packages/web/src"];
  return sourcesIn(root, folders, [...files, "package-lock.json", "scripts/build-page.ts"]);
}

/**
 * What is to be laid beside what is made of the sources.
 * @param {Sources} sources
 */
export const stampOf = (sources) => `${contentsOf(sources)}\n${looksOf(sources)}\n`;

/**
 * Whether a stamp is of these sources as they are: they look the same, or at least read the same. To look costs a
 * start a few milliseconds, to read some twenty.
 * @param {string} path of the stamp
 * @param {Sources} sources
 */
export function isStampOf(path, sources) {
  if (!existsSync(path)) return false;
  const [contents, looks] = readFileSync(path, "utf8").split("\n");
  return looks === looksOf(sources) || contents === contentsOf(sources);
}

/**
 * @param {string} root
 * @param {string[]} folders
 * @param {string[]} files
 * @returns {Sources}
 */
function sourcesIn(root, folders, files) {
  const inFolders = folders.flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
      .filter((name) => /\.\w+$/.test(name) && !/\.test\.tsx?$/.test(name))
      .map((name) => `${folder}/${name}`)
      .sort(),
  );
  return { root, paths: [...inFolders, ...files] };
}

/** @param {Sources} sources */
function contentsOf({ root, paths }) {
  const hash = createHash("sha256");
  for (const path of paths) hash.update(`${path}\n`).update(readFileSync(`${root}/${path}`));
  return hash.digest("hex");
}

/** @param {Sources} sources */
function looksOf({ root, paths }) {
  const hash = createHash("sha256");
  for (const path of paths) {
    const { size, mtimeMs } = statSync(`${root}/${path}`);
    hash.update(`${path} ${size} ${mtimeMs}\n`);
  }
  return hash.digest("hex");
}
