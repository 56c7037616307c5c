import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { type AddressInfo, createServer as createTcpServer, type Server, type Socket } from "node:net";
import { createServer as createTlsServer } from "node:tls";
import { type ManualClock, manualClock } from "../../../../kit/clock.ts";
import type { LlmEnd, LlmRequest } from "../../llm.ts";
import { createOpenAiLlm } from "../../openai.ts";
import { presets } from "../../presets.ts";
import { hostedTimers, type LlmTimers } from "../watch.ts";
import { selfSigned } from "./certificate.fixture.ts";

/** What must not turn up in anything that is said of a failure. */
export const KEY_CANARY = "sk-canary-0123456789abcdef";
export const TEXT_CANARY = "the canary's own words";

export const event = (value: unknown) => `data: ${JSON.stringify(value)}\n\n`;
export const chunk = (delta: unknown, finish_reason: string | null = null) =>
  event({ id: "x", model: "m", choices: [{ index: 0, delta, finish_reason }] });
export const text = (content: string) => chunk({ content });
export const usage = (value: unknown) => event({ choices: [], usage: value });
export const DONE = "data: [DONE]\n\n";
export const SAID = "Hello, wörld 😀!";
/** A whole reply as it should be. */
export const WHOLE = text("Hello, ") + text("wörld 😀!") + chunk({}, "stop") + DONE;

/** One side of a fault: what the provider does, and what moves the time. */
export interface Scene {
  clock: ManualClock;
  /** Resolves when so many pieces of text were given out. */
  whenText(count?: number): Promise<void>;
  /** Resolves when the provider has the request. */
  whenAsked: Promise<void>;
}

export type Handler = (response: ServerResponse, scene: Scene, call: number) => unknown;

export interface Provider {
  baseUrl: string;
  close(): Promise<void>;
}

export interface Called {
  end: LlmEnd;
  said: string;
  pieces: string[];
  lateText: boolean;
  calls: number;
}

export interface CallOptions {
  handler?: Handler;
  /** Instead of HTTP: what happens on the bare connection once its first bytes came. */
  raw?: (socket: Socket, scene: Scene) => unknown;
  tls?: "bad_certificate" | "stall";
  /** Instead of a server of our own. */
  baseUrl?: string;
  timers?: Partial<LlmTimers>;
  settings?: LlmRequest["settings"];
  marker?: "done" | "finish";
  replyCharactersMax?: number;
  signal?: AbortSignal;
  /** Moves the time while the call runs. */
  drive?: (scene: Scene) => unknown;
}

/** One row of the table of faults. */
export interface Fault {
  name: string;
  call: CallOptions | ((cleanUp: (() => void)[]) => Promise<CallOptions>);
  /** What the end must hold. `says`: all text that came; without it, whole or a part of the whole. */
  expect: { kind: "completed" | "failed"; says?: unknown; [field: string]: unknown };
}

export const request = (settings: LlmRequest["settings"] = {}): LlmRequest => ({
  model: "m",
  messages: [
    { role: "system", content: "You are Ada." },
    { role: "user", content: TEXT_CANARY },
  ],
  replyTokensMax: 100,
  settings,
});

/** Calls a provider that behaves as told, over real sockets, with a clock that only `drive` moves. */
export async function call(options: CallOptions): Promise<Called> {
  const clock = manualClock();
  const asked = Promise.withResolvers<void>();
  const waiting: { count: number; resolve(): void }[] = [];
  const pieces: string[] = [];
  const scene: Scene = {
    clock,
    whenAsked: asked.promise,
    whenText(count = 1) {
      const { promise, resolve } = Promise.withResolvers<void>();
      if (pieces.length >= count) resolve();
      else waiting.push({ count, resolve });
      return promise;
    },
  };
  const counts = { calls: 0 };
  const provider = await serve(options, scene, () => {
    counts.calls++;
    asked.resolve();
  });
  const { marker, replyCharactersMax } = options;
  const llm = createOpenAiLlm({
    name: "openai",
    preset: { ...presets.openai, ...(marker && { marker }) },
    baseUrl: provider.baseUrl,
    apiKey: KEY_CANARY,
    timers: { ...hostedTimers, ...options.timers },
    clock,
    ...(replyCharactersMax !== undefined && { replyCharactersMax }),
  });
  let isOver = false;
  let lateText = false;
  const onText = (piece: string) => {
    lateText ||= isOver;
    pieces.push(piece);
    for (const each of waiting) if (pieces.length >= each.count) each.resolve();
  };
  try {
    const ended = llm.generate(
      request(options.settings),
      onText,
      options.signal ?? new AbortController().signal,
    );
    await options.drive?.(scene);
    const end = await ended;
    isOver = true;
    await new Promise((resolve) => setImmediate(resolve));
    return { end, said: pieces.join(""), pieces, lateText, calls: counts.calls };
  } finally {
    await provider.close();
  }
}

/** A provider that behaves as the options say, on loopback. */
export async function serve(options: CallOptions, scene: Scene, onCall: () => void): Promise<Provider> {
  if (options.baseUrl !== undefined) return { baseUrl: options.baseUrl, close: async () => {} };
  const sockets = new Set<Socket>();
  const listener = (socket: Socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
  };
  const server = makeServer(options, scene, onCall);
  server.on("connection", listener);
  const { promise, resolve } = Promise.withResolvers<void>();
  server.listen(0, "127.0.0.1", resolve);
  await promise;
  const scheme = options.tls ? "https" : "http";
  return {
    baseUrl: `${scheme}://127.0.0.1:${(server.address() as AddressInfo).port}/v1`,
    async close() {
      const closed = Promise.withResolvers<void>();
      server.close(() => closed.resolve());
      for (const socket of sockets) socket.destroy();
      await closed.promise;
    },
  };
}

function makeServer(options: CallOptions, scene: Scene, onCall: () => void): Server {
  const { handler, raw, tls } = options;
  if (tls === "bad_certificate") return createTlsServer(selfSigned());
  if (tls === "stall") return createTcpServer(() => onCall());
  if (raw) {
    return createTcpServer((socket) => {
      socket.once("data", () => {
        onCall();
        void raw(socket, scene);
      });
    });
  }
  let calls = 0;
  return createServer((asked: IncomingMessage, response) => {
    asked.resume();
    asked.once("end", () => {
      onCall();
      void handler?.(response, scene, ++calls);
    });
  });
}

const EVENTS = { "content-type": "text/event-stream" };

/** A 200 whose stream begins, without its end. */
export function open(response: ServerResponse, body: string | Buffer = ""): ServerResponse {
  response.writeHead(200, EVENTS);
  response.flushHeaders();
  if (body.length > 0) response.write(body);
  return response;
}

/** A 200 with a stream that ends in good order. */
export const stream =
  (body: string | Buffer): Handler =>
  (response) =>
    open(response, body).end();

/** An error whose body quotes the key and the text, as some providers do. */
export const refuse =
  (status: number, error: object = {}, headers: Record<string, string> = {}): Handler =>
  (response) => {
    const message = `Incorrect: ${KEY_CANARY} said ${TEXT_CANARY}`;
    response.writeHead(status, { "content-type": "application/json", ...headers });
    response.end(JSON.stringify({ error: { message, ...error } }));
  };

/** A 200 that is no stream. */
export const answer =
  (type: string, body: string, headers: Record<string, string> = {}): Handler =>
  (response) => {
    response.writeHead(200, { "content-type": type, ...headers });
    response.end(body);
  };
