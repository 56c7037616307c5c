import { execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { cardPng } from "./cards/make-png.ts";

/**
 * What a stranger gets: the packed packages, installed into an empty folder, under whichever Node and npm
 * the machine has outside this project.
 */
const root = fileURLToPath(new URL("../../../", import.meta.url));
const machinePath = (process.env.PATH ?? "")
  .split(delimiter)
  .filter((part) => !part.includes("node_modules"))
  .join(delimiter);
const machineEnv = {
  PATH: machinePath,
  HOME: process.env.HOME ?? "",
  PORT: "0",
  LMSTUDIO_BASE_URL: "http://127.0.0.1:9/v1",
};

let folder: string;
const parley = () => join(folder, "node_modules", ".bin", "parley");

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "parley-package-"));
  const packed = join(folder, "packed");
  mkdirSync(packed);
  const pack = ["pack", "--workspaces", "--pack-destination", packed];
  execFileSync("npm", pack, { cwd: root, env: { ...process.env, PATH: machinePath }, stdio: "pipe" });
  writeFileSync(join(folder, "package.json"), '{"private": true}\n');
  const tarballs = readdirSync(packed).map((name) => join(packed, name));
  expect(tarballs).toHaveLength(4);
  const install = ["install", "--no-audit", "--no-fund", "--prefer-offline", ...tarballs];
  execFileSync("npm", install, { cwd: folder, env: { ...process.env, PATH: machinePath }, stdio: "pipe" });
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

const installed = (...names: string[]) => join(folder, "node_modules", ...names);

test("the packages hold built JavaScript, licences and notices, and no sources", () => {
  for (const name of ["parley-chat", "@parley-chat/sdk", "@parley-chat/server", "@parley-chat/web"]) {
    const files = readdirSync(installed(name), { recursive: true, encoding: "utf8" });
    expect(files).toContain("LICENSE");
    const { scripts } = JSON.parse(readFileSync(installed(name, "package.json"), "utf8"));
    expect(scripts?.prepare).toBeUndefined();
    if (name === "@parley-chat/server" || name === "@parley-chat/web") continue;
    const readme = readFileSync(installed(name, "README.md"), "utf8");
    for (const [, target = ""] of readme.matchAll(/\]\(([^)]+)\)/g)) expect(target).toMatch(/^https:/);
    expect(files.filter((file) => /\.tsx?$/.test(file) && !file.endsWith(".d.ts"))).toEqual([]);
  }
  const notices = readFileSync(installed("@parley-chat/server", "dist", "THIRD_PARTY_NOTICES"), "utf8");
  expect(notices.match(/^(fastify|kysely|typebox) \d.*/gm)).toHaveLength(3);
  const page = readFileSync(installed("@parley-chat/web", "dist", "THIRD_PARTY_NOTICES"), "utf8");
  expect(page.match(/^(react|marked|@fontsource-variable\/literata) \d.*/gm)).toHaveLength(3);
});

test("the SDK works in the machine's own Node, and its types in a strict project", () => {
  const script = "import('@parley-chat/sdk').then((sdk) => console.log(typeof sdk.createClient))";
  const ran = spawnSync("node", ["-e", script], { cwd: folder, env: machineEnv, encoding: "utf8" });
  expect([ran.stdout, ran.stderr]).toEqual(["function\n", ""]);
  writeFileSync(
    join(folder, "use.mts"),
    `import { createClient, type Message } from "@parley-chat/sdk";
import { problems } from "@parley-chat/sdk/contract/problem";
const client = createClient({ baseUrl: "http://localhost:8666" });
export const first = async (id: string): Promise<Message | undefined> =>
  (await client.messages.list({ conversation_id: id })).items[0];
export const status: 404 = problems.not_found[0];
`,
  );
  const flags = ["--strict", "--noEmit", "--module", "nodenext", "--target", "es2023", "--lib", "es2023,dom"];
  const checked = spawnSync(process.execPath, [join(root, "node_modules/.bin/tsc"), ...flags, "use.mts"], {
    cwd: folder,
    encoding: "utf8",
  });
  expect([checked.status, checked.stdout]).toEqual([0, ""]);
});

test("parley --help answers under the machine's own Node", () => {
  const { status, stdout, stderr } = spawnSync(parley(), ["--help"], {
    cwd: folder,
    env: machineEnv,
    encoding: "utf8",
  });
  expect([status, stderr]).toEqual([0, ""]);
  expect(stdout).toContain("sign-in-link");
});

/** Starts it, and reads what it prints until it is all there. */
async function start(command: string, args: string[]) {
  const child = spawn(command, args, { cwd: folder, env: machineEnv, stdio: "pipe" });
  const printed = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const) {
    child[name].on("data", (chunk: Buffer) => {
      printed[name] += chunk;
    });
  }
  const exited = once(child, "exit");
  try {
    await expect.poll(() => (child.exitCode === null ? printed.stdout : printed.stderr)).toContain("Ctrl-C");
  } catch (error) {
    child.kill("SIGKILL");
    throw error;
  }
  return { child, stdout: printed.stdout, exited };
}

test("a card in a picture is read by a thread, which finds its program in the package", () => {
  writeFileSync(join(folder, "mira.png"), cardPng({ name: "Mira", description: "" }));
  const env = { ...machineEnv, PARLEY_DATA_DIR: join(folder, "cards") };
  mkdirSync(env.PARLEY_DATA_DIR);
  const imported = spawnSync(parley(), ["import", "mira.png"], { cwd: folder, env, encoding: "utf8" });
  expect(imported.stdout).toBe("imported  mira.png: Mira (V1)\n");
  expect(imported.status).toBe(0);
});

test("parley start serves the page; what it prints into a pipe names the way in and holds no code", async () => {
  const { child, stdout, exited } = await start(parley(), ["start"]);
  try {
    const [address = ""] = /http:\/\/localhost:\d+/.exec(stdout) ?? [];
    const html = await (await fetch(`${address}/app/`)).text();
    const [script = ""] = /\/app\/assets\/[^"]+\.js/.exec(html) ?? [];
    expect((await fetch(address + script)).status).toBe(200);
  } finally {
    child.kill("SIGTERM");
  }
  expect(await exited).toEqual([0, null]);
  expect(stdout).toContain("`npx parley sign-in-link` makes a link that signs the owner in");
  expect(stdout).not.toMatch(/code|curl/);
  expect(existsSync(join(folder, "data", "messages.db"))).toBe(true);
});

/** `script` of util-linux runs a program in a terminal; on Debian it is always there. */
const hasTerminal = spawnSync("script", ["--version"], { encoding: "utf8" }).stdout?.includes("util-linux");

test.skipIf(!hasTerminal)(
  "on a terminal it prints a line that shows a whole reply as it stands, and then says that it was used",
  async () => {
    const { child, stdout, exited } = await start("script", ["-qfec", `exec ${parley()} start`, "/dev/null"]);
    const line = stdout.split(/\r?\n/).find((text) => text.includes("curl")) ?? "";
    const paste = (shell: string) =>
      spawnSync(shell, ["-c", line], { env: machineEnv, encoding: "utf8", timeout: 100_000 });
    const first = paste("sh");
    const second = paste("sh");
    child.stdin.write("\u0003");
    expect(await exited).toEqual([0, null]);
    expect(stdout).toMatch(/Sign in {3}http:\/\/localhost:\d+\/app\/sign-in#code=[\w-]{20,}/);
    expect(first.stderr).toBe("");
    // The demo introduces its character in quotation marks, and says what it is.
    expect(first.stdout).toMatch(/"I am [^"\\]*no language model is behind me\.[^"\\]*"\n$/);
    expect(first.stdout).not.toMatch(/event:|data:|\\n/);
    expect(second.stdout).toBe("This line has been used or is too old: start Parley again for another.\n");
  },
);
