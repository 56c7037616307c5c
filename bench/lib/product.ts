import { execFile } from "node:child_process";
import { mkdirSync } from "node:fs";
import { createServer } from "node:net";
import { promisify } from "node:util";
import { httpRequest } from "./load.ts";
import { options } from "./options.ts";
import { dataFolder, type Running, start, withTimeout } from "./process.ts";
import { untilAnswers } from "./wait.ts";

const READY_TIMEOUT_MS = 20_000;
const CALLS_AT_ONCE = 50;
const KEY = "bench-key-of-the-owner";
const parley = new URL("../../packages/server/bin/parley.js", import.meta.url).pathname;
const profiles = new URL("../data/profiles/", import.meta.url).pathname;

export interface Product extends Running {
  port: number;
  folder: string;
  /** The header of the owner's key. */
  authorization: { authorization: string };
  /** A whole HTTP request of the owner's, as it goes over the wire. */
  request(method: string, path: string, body?: unknown, headers?: Record<string, string>): string;
  /** A call outside what is measured; its answer. */
  call<T>(method: string, path: string, body?: unknown): Promise<T>;
  /** Runs a command of the command line beside it, such as `backup`. */
  command(...args: string[]): Promise<void>;
  /** A send whose reply is streamed; resolves when it is stored. */
  turn(conversationId: string): Promise<void>;
  /** Fresh conversations with a character that greets nobody; their ids. */
  conversations(count: number): Promise<string[]>;
}

export interface ProductOptions {
  providerPort?: number | undefined;
  /** Where an earlier one ran; else an empty one. */
  folder?: string;
  /** The one core it may run on. */
  core?: number | null;
  /** With no settings at all but where it listens and the owner's key. */
  isPlain?: boolean;
  /** More settings. */
  env?: Record<string, string>;
  /** Options of its Node beside those that a profile takes. */
  nodeOptions?: string;
}

/**
 * Starts Parley as people run it, with an empty data folder, everything at its default but the limits on
 * messages (off) and the provider: a fake one on `providerPort`, else the built-in demo.
 */
export async function startProduct(options: ProductOptions = {}): Promise<Product> {
  const product = await launchProduct(options);
  const sentence = `Parley was not ready (see ${product.folder}/output.log)`;
  await withTimeout(untilAnswers(product.port, "/ready"), READY_TIMEOUT_MS, sentence);
  return product;
}

/** The same without waiting for it. */
export async function launchProduct({
  providerPort,
  folder = `${dataFolder}/product-${process.hrtime.bigint()}`,
  core = null,
  isPlain = false,
  env: more = {},
  nodeOptions = "",
}: ProductOptions = {}): Promise<Product> {
  mkdirSync(folder, { recursive: true });
  const port = await freePort();
  const env = { ...plainEnv(port), ...(!isPlain && productEnv(providerPort)), ...more };
  const profile = options.profile ? `--cpu-prof --cpu-prof-dir=${profiles}` : "";
  const NODE_OPTIONS = `${profile} ${nodeOptions}`.trim();
  const running = start({ args: [parley, "start"], env: { ...env, NODE_OPTIONS }, folder, core });

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
    authorization: { authorization: `Bearer ${KEY}` },
    request: (method, path, body, headers = {}) =>
      httpRequest(
        method,
        path,
        { authorization: `Bearer ${KEY}`, ...headers },
        body === undefined ? undefined : JSON.stringify(body),
      ),
    async command(...args) {
      await promisify(execFile)(process.execPath, [parley, ...args], { env, cwd: folder });
    },
    async turn(conversationId) {
      const answer = await fetch(`http://127.0.0.1:${port}/api/v2/conversations/${conversationId}/messages`, {
        method: "POST",
        headers: {
          authorization: `Bearer ${KEY}`,
          "content-type": "application/json",
          accept: "text/event-stream",
        },
        body: JSON.stringify({ content: "Hello." }),
      });
      const events = await answer.text();
      if (!events.includes("turn.completed")) throw new Error(`a turn ended with: ${events.slice(-600)}`);
    },
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

const plainEnv = (port: number): Record<string, string> => ({
  PORT: String(port),
  PARLEY_DATA_DIR: "data",
  API_KEY: KEY,
});

const productEnv = (providerPort: number | undefined): Record<string, string> => ({
  MAX_MESSAGES_PER_MINUTE: "0",
  MAX_MESSAGES_PER_HOUR: "0",
  MAX_MESSAGES_PER_DAY: "0",
  PARLEY_DRAIN_TIMEOUT_MS: "0",
  ...(providerPort === undefined
    ? { DEFAULT_LLM_PROVIDER: "demo" }
    : {
        DEFAULT_LLM_PROVIDER: "openai",
        OPENAI_BASE_URL: `http://127.0.0.1:${providerPort}/v1`,
        OPENAI_API_KEY: "bench",
        DEFAULT_MODEL: "bench",
      }),
});

export function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => resolve(typeof address === "object" && address ? address.port : 0));
    });
  });
}
