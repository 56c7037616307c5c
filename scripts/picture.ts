/** Takes the README's picture of the page: a real server, its demo character, a Chromium that is at hand. */
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { chromium } from "playwright-core";
import { buildPage } from "./build-page.ts";

const root = join(import.meta.dirname, "..");
const target = join(root, "docs", "assets", "page.png");
const QUESTION = "I can't sleep. Is it always this quiet out there?";
const REPLY = `*The kettle begins to mutter, and she turns it down a little.*

"Quiet? Listen again." *She holds the microphone out of the window: wind, a rope that taps a mast, something far off that breathes.* "That's a **whale**, I think. Or the ferry with a cold."

"Three things help, up here: a lamp that someone else is minding, tea of the pale kind, and one small job for the hands. I have the first two for you. What have you got lying about that wants mending?"`;

/** Speaks the wire of OpenAI, and says the reply. */
async function startModel() {
  const server = createServer((request, response) => {
    if (request.method === "GET") {
      response.setHeader("content-type", "application/json");
      response.end(JSON.stringify({ object: "list", data: [{ id: "gemma-3-12b", object: "model" }] }));
    } else request.resume().on("end", () => say(response));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return { server, baseUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1` };
}

function say(response: ServerResponse): void {
  const chunk = (delta: object, finish_reason: string | null) =>
    `data: ${JSON.stringify({ object: "chat.completion.chunk", choices: [{ index: 0, delta, finish_reason }] })}\n\n`;
  response.writeHead(200, { "content-type": "text/event-stream" });
  response.end(`${chunk({ content: REPLY }, null)}${chunk({}, "stop")}data: [DONE]\n\n`);
}

console.log(await buildPage());
const dataDir = mkdtempSync(join(tmpdir(), "parley-picture-"));
const model = await startModel();
const parley = spawn(
  process.execPath,
  ["-C", "parley-source", join(root, "packages/server/src/main.ts"), "start"],
  {
    cwd: dataDir,
    env: {
      PATH: process.env.PATH,
      PORT: "0",
      PARLEY_DATA_DIR: dataDir,
      DEFAULT_LLM_PROVIDER: "openai",
      OPENAI_BASE_URL: model.baseUrl,
      OPENAI_API_KEY: "none",
    },
    stdio: ["ignore", "pipe", "inherit"],
  },
);
const browser = await chromium.launch({
  channel: "chromium",
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox"],
});
try {
  let printed = "";
  for await (const text of parley.stdout) {
    printed += text;
    if (printed.includes("Ctrl-C")) break;
  }
  // Into a pipe the start prints no code.
  const args = ["-C", "parley-source", join(root, "packages/server/src/main.ts"), "sign-in-link"];
  const env = { PATH: process.env.PATH, PARLEY_DATA_DIR: dataDir };
  const link = execFileSync(process.execPath, args, { cwd: dataDir, env, encoding: "utf8" }).trim();
  const page = await browser.newPage({
    viewport: { width: 1180, height: 760 },
    colorScheme: "light",
    reducedMotion: "reduce",
  });
  await page.goto(link);
  for (const name of ["Juniper-9", "Cassian Thorne", "Ottoline Marsh", "Tamsin Reed"]) {
    await page.getByRole("link", { name: "Characters", exact: true }).click();
    await page.getByRole("main").getByRole("link", { name }).click();
    await page.getByRole("button", { name: "Start a conversation" }).click();
    await page.getByRole("log").getByRole("article").first().waitFor();
    const entry = page.getByRole("navigation").getByRole("link", { name });
    await entry.getByText("unread").waitFor({ state: "detached" });
  }
  await page.getByRole("textbox", { name: /^Write to/ }).fill(QUESTION);
  await page.getByRole("button", { name: "Send" }).click();
  await page.getByRole("log").getByText("wants mending").waitFor();
  await page.getByRole("button", { name: "Stop the reply" }).waitFor({ state: "detached" });
  await page.evaluate("document.fonts.ready");
  await page.locator("nav img").nth(3).waitFor();
  mkdirSync(dirname(target), { recursive: true });
  await page.screenshot({ path: target });
  console.log(`took ${target}`);
} finally {
  await browser.close();
  parley.kill("SIGKILL");
  model.server.close();
  model.server.closeAllConnections();
  rmSync(dataDir, { recursive: true, force: true });
}
