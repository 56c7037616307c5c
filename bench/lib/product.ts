import { mkdirSync } from "node:fs";
import { connect, createServer } from "node:net";
import { httpRequest } from "./load.ts";
import { options } from "./options.ts";
import { dataFolder, type Running, start, withTimeout } from "./process.ts";

const READY_TIMEOUT_MS = 20_000;
const CALLS_AT_ONCE = 50;
const KEY = "bench-key-of-the-owner";
const parley = new URL("../../packages/server/bin/parley.js", import.meta.url).pathname;
const profiles = new URL("../data/profiles/", import.meta.url).pathname;

export interface Product extends Running {
  port: number;
  folder: string;
  /** A whole HTTP request of the owner's, as it goes over the wire. */
  request(method: string, path: string, body?: unknown, headers?: Record<string, string>): string;
  /** A call outside what is measured; its answer. */
  call<T>(method: string, path: string, body?: unknown): Promise<T>;
  /** Fresh conversations with a character that greets nobody; their ids. */
  conversations(count: number): Promise<string[]>;
}

/**
 * Starts Parley as people run it, with an empty data folder, everything at its default but the limits on
 * messages (off) and the provider: a fake one on `providerPort`, else the built-in demo.
 */
export async function startProduct({ providerPort }: { providerPort?: number } = {}): Promise<Product> {
  const folder = `${dataFolder}/product-${process.hrtime.bigint()}`;
  mkdirSync(folder);
  const port = await freePort();
  const running = start({ args: [parley, "start"], env: productEnv(port, providerPort), folder });
  await withTimeout(untilReady(port), READY_TIMEOUT_MS, `Parley was not ready (see ${folder}/output.log)`);

  const call = async <T>(method: string, path: string, body?: unknown): Promise<T> => {
    const answer = await fetch(`http://127.0.0.1:${port}${path}`, {
      method,
      headers: {
        authorization: `Bearer ${KEY}`,
        ...(body !== undefined && { "content-type": "application/json" }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
    return (await answer.json()) as T;
  };

  return {
    ...running,
    port,
    folder,
    call,
    request: (method, path, body, headers = {}) =>
      httpRequest(
        method,
        path,
        { authorization: `Bearer ${KEY}`, ...headers },
        body === undefined ? undefined : JSON.stringify(body),
      ),
    async conversations(count) {
      const character = await call<{ id: string }>("POST", "/api/v2/characters", { name: "Bench" });
      const make = () =>
        call<{ id: string }>("POST", "/api/v2/conversations", { character_ids: [character.id] });
      const ids: string[] = [];
      while (ids.length < count) {
        const batch = Math.min(CALLS_AT_ONCE, count - ids.length);
        for (const { id } of await Promise.all(Array.from({ length: batch }, make))) ids.push(id);
      }
      return ids;
    },
  };
}

const productEnv = (port: number, providerPort: number | undefined): Record<string, string> => ({
  PORT: String(port),
  PARLEY_DATA_DIR: "data",
  API_KEY: KEY,
  MAX_MESSAGES_PER_MINUTE: "0",
  MAX_MESSAGES_PER_HOUR: "0",
  MAX_MESSAGES_PER_DAY: "0",
  PARLEY_DRAIN_TIMEOUT_MS: "0",
  ...(options.profile && { NODE_OPTIONS: `--cpu-prof --cpu-prof-dir=${profiles}` }),
  ...(providerPort === undefined
    ? { DEFAULT_LLM_PROVIDER: "demo" }
    : {
        DEFAULT_LLM_PROVIDER: "openai",
        OPENAI_BASE_URL: `http://127.0.0.1:${providerPort}/v1`,
        OPENAI_API_KEY: "bench",
        DEFAULT_MODEL: "bench",
      }),
});

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => resolve(typeof address === "object" && address ? address.port : 0));
    });
  });
}

async function untilReady(port: number): Promise<void> {
  while (!(await isReady(port))) await new Promise((resolve) => setTimeout(resolve, 20));
}

function isReady(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1", () => socket.write(httpRequest("GET", "/ready")));
    socket.on("data", (data) => {
      resolve(data.toString("latin1", 9, 12) === "200");
      socket.destroy();
    });
    socket.on("error", () => resolve(false));
    socket.on("close", () => resolve(false));
  });
}
