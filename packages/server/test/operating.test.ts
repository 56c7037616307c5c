import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { newDataDir, runParley } from "./rig/server.ts";

const root = fileURLToPath(new URL("../../../", import.meta.url));
const read = (name: string) => readFileSync(join(root, name), "utf8");

test("every command and setting that the operators' page names is there", async () => {
  const page = read("docs/operating.md");
  const { stdout: help } = await runParley(["--help"], { dataDir: newDataDir() });
  const commands = new Set(
    [
      ...page.matchAll(
        /(?:npx|exec parley|exec -it parley|run --rm parley) parley ([a-z-]+(?: (?:check|print))?)/g,
      ),
    ].map(([, name]) => name as string),
  );
  expect(commands.size).toBeGreaterThan(6);
  for (const name of commands) expect(help).toMatch(new RegExp(`^  ${name} `, "m"));
  const settings = read(".env.example");
  for (const [name] of page.matchAll(/\bPARLEY_[A-Z_]+\b/g)) expect(settings).toContain(name);
});

test("the container reaches nobody but this machine, as nobody special, and keeps its data in volumes", () => {
  const compose = read("compose.yaml");
  const ports = [...compose.matchAll(/^ +- "([\d.:]+)"$/gm)].map(([, port]) => port);
  expect(ports).toEqual(["127.0.0.1:8666:8666"]);
  for (const line of [
    "read_only: true",
    "- ALL",
    "- no-new-privileges:true",
    "- data:/data",
    "restart: unless-stopped",
  ]) {
    expect(compose).toContain(line);
  }
  const image = read("Dockerfile");
  expect(image).toMatch(/^USER node$/m);
  expect(image).toMatch(/^HEALTHCHECK /m);
  const { workspaces } = JSON.parse(read("package.json")) as { workspaces: string[] };
  for (const workspace of workspaces) expect(image).toContain(`COPY ${workspace}/package.json ${workspace}/`);
});

test("what goes into the image is named, so that no data and no secret can slip in", () => {
  const [first, ...rules] = read(".dockerignore")
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith("#"));
  expect(first).toBe("*");
  expect(rules).toEqual(expect.arrayContaining(["**/data", "**/.env*", "**/node_modules"]));
  expect(rules.filter((rule) => /^!.*(data|\.env)/.test(rule))).toEqual([]);
});
