import type { ClientRequest, IncomingMessage } from "node:http";
import { http } from "../../../kit/http.ts";

/** Headers of an answer beyond this are an error. */
const HEADER_BYTES_MAX = 16_384;
/** Idle connections are kept this long; providers close theirs after a minute or so. */
const KEEP_ALIVE_MS = 15_000;
const IDLE_CONNECTIONS_MAX = 256;

export interface Exchange {
  readonly method: "GET" | "POST";
  /** From the root of the server. */
  readonly path: string;
  readonly body?: string;
  readonly accept: string;
  onConnected(): void;
  onResponse(response: IncomingMessage): void;
  /** At most once, and not after a response. */
  onError(error: NodeJS.ErrnoException): void;
}

export interface Transport {
  /** The base URL without credentials and query, for messages to people. */
  readonly address: string;
  /** A path below the base URL, with the query that the base URL has. */
  path(relative: string): string;
  /** Sends a request. @throws where a header cannot be written (a key with a line break, say) */
  open(exchange: Exchange): { destroy(): void };
}

/**
 * Raw HTTP to one server: connections are kept, redirects are never followed, no body is compressed, and
 * no timer of Node's own applies (those of `Watch` do). Where a kept connection turns out to be dead
 * before a byte came back, a GET is sent once more on a fresh one; a POST never is, for it may have been
 * received.
 */
export function createTransport(uses: { baseUrl: string; apiKey: string | undefined }): Transport {
  const url = new URL(uses.baseUrl);
  const isTls = url.protocol === "https:";
  const base = url.pathname.replace(/\/+$/, "");
  const { Agent, request: send } = isTls ? process.getBuiltinModule("node:https") : http;
  const agent = new Agent({ keepAlive: true, timeout: KEEP_ALIVE_MS, maxFreeSockets: IDLE_CONNECTIONS_MAX });

  const begin = (exchange: Exchange, isFresh: boolean): ClientRequest => {
    const { method, path, body, accept } = exchange;
    return send({
      agent: isFresh ? false : agent,
      method,
      path,
      hostname: url.hostname.replace(/^\[|\]$/g, ""),
      port: url.port,
      maxHeaderSize: HEADER_BYTES_MAX,
      // The agent's timer is for idle connections; in use it would cost two microseconds an event.
      timeout: 0,
      headers: {
        accept,
        "accept-encoding": "identity",
        "user-agent": "parley",
        ...authorization(url, uses.apiKey),
        ...(body !== undefined && {
          "content-type": "application/json",
          "content-length": Buffer.byteLength(body),
        }),
      },
    });
  };

  const open = (exchange: Exchange, isFresh = false) => {
    let isOver = false;
    let again: { destroy(): void } | undefined;
    const request = begin(exchange, isFresh);
    request.once("socket", (socket) => {
      if (request.reusedSocket) exchange.onConnected();
      else socket.once(isTls ? "secureConnect" : "connect", () => exchange.onConnected());
    });
    request.once("response", (response) => {
      if (isOver) return void response.destroy();
      isOver = true;
      exchange.onResponse(response);
    });
    request.on("error", (error: NodeJS.ErrnoException) => {
      if (isOver) return;
      isOver = true;
      const isStale = request.reusedSocket && (error.code === "ECONNRESET" || error.code === "EPIPE");
      // To repeat a POST is the caller's decision, and counts (I12).
      if (isStale && !isFresh && exchange.method === "GET") again = open(exchange, true);
      else exchange.onError(error);
    });
    request.end(exchange.body);
    return {
      destroy() {
        isOver = true;
        request.destroy();
        again?.destroy();
      },
    };
  };

  return {
    address: `${url.origin}${base}`,
    path: (relative) => `${base}${relative}${url.search}`,
    open: (exchange) => open(exchange),
  };
}

function authorization(url: URL, apiKey: string | undefined): { authorization?: string } {
  if (apiKey) return { authorization: `Bearer ${apiKey}` };
  if (url.username === "" && url.password === "") return {};
  const pair = `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`;
  return { authorization: `Basic ${Buffer.from(pair).toString("base64")}` };
}

/**
 * Reads a body up to `bytesMax`. Calls `onBody` once, with what came, when it ended, broke off or grew
 * too long (`isWhole` false), and lets go of the connection in the latter cases.
 */
export function readBody(
  response: IncomingMessage,
  bytesMax: number,
  onBody: (body: string, isWhole: boolean) => void,
): void {
  const chunks: Buffer[] = [];
  let length = 0;
  let isOver = false;
  const end = (isWhole: boolean) => {
    if (isOver) return;
    isOver = true;
    if (!isWhole) response.destroy();
    onBody(Buffer.concat(chunks).toString("utf8", 0, bytesMax), isWhole);
  };
  response.on("data", (chunk: Buffer) => {
    if (isOver) return;
    chunks.push(chunk);
    length += chunk.length;
    if (length > bytesMax) end(false);
  });
  response.once("end", () => end(true));
  response.once("close", () => end(false));
  response.on("error", () => end(false));
}
