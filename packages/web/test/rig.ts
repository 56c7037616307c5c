import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";
import {
  type Browser,
  type BrowserContext,
  type BrowserContextOptions,
  chromium,
  type Page,
} from "playwright-core";
import { afterAll, describe, expect, test } from "vitest";
import {
  lastingPort,
  readJson,
  type Server,
  type ServerOptions,
  startServer,
} from "../../server/test/rig/server.ts";

const NAMES = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
const FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];
/** Generous: machines of CI are slow, and what is awaited comes or does not. */
const WAIT_MS = 100_000;

export const desktop = { viewport: { width: 1280, height: 800 } };
export const phone = { viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true };

const path = NAMES.flatMap((name) =>
  (process.env.PATH ?? "").split(delimiter).map((dir) => join(dir, name)),
).find(isProgram);

function isProgram(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** Tests in a real browser; where there is none they are named as not exercised, and in CI that is a failure. */
export function describeInBrowser(name: string, tests: () => void): void {
  describe.runIf(path)(name, tests);
  if (path) return;
  console.error(
    `NOT EXERCISED: ${name}. No Chromium was found (${NAMES.join(", ")}); apt-get install chromium.`,
  );
  test(`a browser is at hand for: ${name}`, () => expect(process.env.CI).toBeUndefined());
}

export interface Person {
  context: BrowserContext;
  page: Page;
}

export interface Scene {
  server: Server;
  /** A device of someone who has never been here. */
  stranger(options?: BrowserContextOptions): Promise<Person>;
  /** A device on which the owner is signed in, in the gallery. */
  owner(options?: BrowserContextOptions): Promise<Person>;
  /** A sign-in link that was not used yet, with the address of the test's server. */
  link(): Promise<string>;
  /** What pages reported as errors by themselves, and what their policy refused. */
  complaints: string[];
  /** Kills the server at once; `restart` brings it back at the same address. */
  kill(): Promise<void>;
  restart(): Promise<void>;
}

/** A server and a browser of a test file; ends both after it. */
export async function openScene(options: ServerOptions = {}): Promise<Scene> {
  const browser: Browser = await chromium.launch({ executablePath: path as string, args: FLAGS });
  const lasting = { ...options, env: { ...options.env, PORT: `${await lastingPort()}` } };
  let server = await startServer(lasting);
  const complaints: string[] = [];
  afterAll(async () => {
    await browser.close();
    await server.kill();
  });

  const link = async () => {
    const control = readJson(server, "control.json") as { secret: string };
    const asked = await fetch(`${server.url}/internal/sign-in-link`, {
      method: "POST",
      headers: { "x-parley-control": control.secret },
    });
    const { link } = (await asked.json()) as { link: string };
    return link.replace(/^http:\/\/[^/]+/, server.url);
  };

  async function stranger(more: BrowserContextOptions = desktop): Promise<Person> {
    const context = await browser.newContext({ reducedMotion: "reduce", ...more });
    context.setDefaultTimeout(WAIT_MS);
    context.on("weberror", (error) => complaints.push(String(error.error())));
    context.on("console", (message) => {
      if (/Content Security Policy|TrustedHTML/.test(message.text())) complaints.push(message.text());
    });
    return { context, page: await context.newPage() };
  }

  return {
    get server() {
      return server;
    },
    complaints,
    link,
    stranger,
    async owner(more) {
      const person = await stranger(more);
      await person.page.goto(await link());
      await person.page.getByRole("heading", { name: "Characters", level: 1 }).waitFor();
      return person;
    },
    async kill() {
      await server.kill();
    },
    async restart() {
      server = await startServer({ ...lasting, dataDir: server.dataDir });
    },
  };
}
