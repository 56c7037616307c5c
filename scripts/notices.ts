import { readFileSync } from "node:fs";
import { join } from "node:path";

/** The folder and name of the package that a module lies in; null for what is ours. */
const PACKAGE = /^(.*\/node_modules\/((?:@[^/]+\/)?[^/]+))\//;
const LICENCE_FILES = [
  "LICENSE",
  "LICENSE.md",
  "LICENSE.txt",
  "LICENCE",
  "license",
  "LICENSE-MIT",
  "License",
];

/** The licence texts of every package that went into a bundle. @param modules paths of the bundled files */
export function notices(modules: readonly string[]): string {
  const packages = new Map<string, string>();
  for (const module of modules) {
    const found = PACKAGE.exec(module);
    if (found && !(found[2] as string).startsWith("@parley-chat/"))
      packages.set(found[1] as string, found[2] as string);
  }
  const texts = [...packages]
    .sort(([, a], [, b]) => (a < b ? -1 : 1))
    .map(([folder, name]) => notice(folder, name));
  return `This bundle holds the following packages.\n\n${texts.join("\n")}`;
}

function notice(folder: string, name: string): string {
  const { version, license } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  return `${"=".repeat(80)}\n${name} ${version} (${license})\n\n${licenceText(folder)}\n`;
}

function licenceText(folder: string): string {
  for (const name of LICENCE_FILES) {
    try {
      return readFileSync(join(folder, name), "utf8").trim();
    } catch {
      // Under another name, or in none: its package.json names the licence.
    }
  }
  return "";
}
