import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { OWNER_KEY, type Server, startServer } from "../rig/server.ts";

const run = promisify(execFile);
const root = fileURLToPath(new URL("../../../../", import.meta.url));
let server: Server;
let folder: string;
let blocks: { language: string; text: string }[];

beforeAll(async () => {
  server = await startServer({ env: { DEFAULT_LLM_PROVIDER: "demo" } });
  folder = mkdtempSync(join(tmpdir(), "parley-readme-"));
  blocks = [...readFileSync(join(root, "README.md"), "utf8").matchAll(/```(\w+)\n(.*?)```/gs)].map(
    ([, language = "", text = ""]) => ({
      language,
      text: text.replaceAll("http://localhost:8666", server.url).replaceAll("my-own-key", OWNER_KEY),
    }),
  );
});
afterAll(async () => {
  await server?.kill();
  if (folder) rmSync(folder, { recursive: true, force: true });
});

const shell = async (script: string) =>
  (await run("sh", ["-euc", script], { cwd: folder, timeout: 100_000 })).stdout;
const block = (holding: string) => {
  const found = blocks.find(({ text }) => text.includes(holding));
  if (!found) throw new Error(`the README has no block with ${holding}`);
  return found.text;
};

test("the first call of the README streams a reply, and its cursor goes on from there", async () => {
  const first = block("/conversations/$conversation/messages");
  const events = await shell(first);
  expect(events).toContain("event: turn.completed");
  const turn = /"turn_id":"([^"]+)"/.exec(events)?.[1] as string;
  const [, cursor, rest] = /event: reply\.delta\nid: (\S+)\n(.*)/s.exec(events) as unknown as string[];
  const setting = first.split("\n").slice(0, 3).join("\n");
  const resume = block("TURN_ID")
    .replace("TURN_ID", turn)
    .replace("CURSOR", cursor as string);
  const resumed = await shell(`${setting}\n${resume}`);
  const textOf = (stream: string) =>
    [...stream.matchAll(/^data: (.*)$/gm)]
      .map(([, data]) => JSON.parse(data as string) as { type: string; text?: string })
      .map(({ type, text }) => (type === "reply.delta" ? text : ""))
      .join("");
  const whole = textOf(events);
  expect(whole.length).toBeGreaterThan(10);
  expect(whole.endsWith(textOf(resumed))).toBe(true);
  expect(textOf(resumed)).toBe(textOf((rest as string).slice((rest as string).indexOf("\n\n"))));
});

test("the TypeScript of the README passes the strict compiler and prints a reply", async () => {
  const [script] = blocks.filter(({ language }) => language === "ts");
  mkdirSync(join(folder, "src"));
  symlinkSync(join(root, "node_modules"), join(folder, "node_modules"));
  writeFileSync(join(folder, "package.json"), '{"type":"module"}');
  writeFileSync(join(folder, "src", "chat.ts"), script?.text ?? "");
  const compilerOptions = {
    target: "esnext",
    module: "nodenext",
    strict: true,
    noEmit: true,
    skipLibCheck: true,
    customConditions: ["parley-source"],
    allowImportingTsExtensions: true,
    types: ["node"],
  };
  writeFileSync(join(folder, "tsconfig.json"), JSON.stringify({ compilerOptions, include: ["src"] }));
  const compiled = await run(join(root, "node_modules/.bin/tsc"), ["-p", folder]).catch(
    (error: { stdout: string }) => error,
  );
  expect(compiled.stdout).toBe("");
  const args = ["-C", "parley-source", join(folder, "src", "chat.ts")];
  const { stdout } = await run(process.execPath, args, { timeout: 100_000 });
  expect(stdout.length).toBeGreaterThan(10);
});

test("the live socket of the README sends, and prints the reply as it comes", async () => {
  const [script] = blocks.filter(({ language }) => language === "js");
  const path = join(folder, "src", "live.js");
  writeFileSync(path, script?.text ?? "");
  const { stdout } = await run(process.execPath, ["-C", "parley-source", path], { timeout: 100_000 });
  expect(stdout.length).toBeGreaterThan(10);
});
