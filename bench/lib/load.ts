import { connect } from "node:net";
import { MARK } from "./mark.ts";
import { withTimeout } from "./process.ts";

const RUN_TIMEOUT_MS = 60_000;
const HEAD_END = Buffer.from("\r\n\r\n");
const LAST_CHUNK = "\r\n0\r\n\r\n";

/** A whole HTTP request as it goes over the wire. */
export function httpRequest(
  method: string,
  path: string,
  headers: Record<string, string> = {},
  body?: string,
): string {
  const lines = [`${method} ${path} HTTP/1.1`, "host: 127.0.0.1"];
  for (const [name, value] of Object.entries(headers)) lines.push(`${name}: ${value}`);
  if (body !== undefined)
    lines.push("content-type: application/json", `content-length: ${Buffer.byteLength(body)}`);
  return `${lines.join("\r\n")}\r\n\r\n${body ?? ""}`;
}

export interface Load {
  port: number;
  clients: number;
  /** Requests of all clients together. */
  requests: number;
  /** The nth request of a client, both from 0. */
  request(client: number, n: number): string;
  /** What every answer must have. */
  status: number;
}

export interface LoadResult {
  seconds: number;
  perSecond: number;
  /** To the whole answer. */
  latenciesMs: number[];
  /** To the first piece of a reply, where the answers stream one. */
  firstTextMs: number[];
}

/** Clients that each ask again as soon as they are answered, every one on its own connection. */
export async function load({ port, clients, requests, request, status }: Load): Promise<LoadResult> {
  const seen = { latenciesMs: [] as number[], firstTextMs: [] as number[] };
  // The clients never sleep: waking them would cost a slow server CPU time that it spares a fast one.
  let isOver = false;
  const spin = () => {
    if (!isOver) setImmediate(spin);
  };
  spin();
  const startedAt = performance.now();
  const each = Math.ceil(requests / clients);
  const runs = Array.from({ length: clients }, (_, client) =>
    runClient(port, each, (n) => request(client, n), status, seen),
  );
  await withTimeout(Promise.all(runs), RUN_TIMEOUT_MS, "the load was not answered");
  isOver = true;
  const seconds = (performance.now() - startedAt) / 1_000;
  return { seconds, perSecond: (each * clients) / seconds, ...seen };
}

function runClient(
  port: number,
  count: number,
  request: (n: number) => string,
  status: number,
  seen: Pick<LoadResult, "latenciesMs" | "firstTextMs">,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: "127.0.0.1", noDelay: true });
    let sent = 0;
    let sentAt = 0;
    let hasText = false;
    let answer: Buffer = Buffer.alloc(0);
    const next = () => {
      if (sent === count) {
        socket.end();
        resolve();
        return;
      }
      hasText = false;
      sentAt = performance.now();
      socket.write(request(sent++));
    };
    socket.on("connect", next);
    socket.on("error", reject);
    socket.on("close", () => reject(new Error("the server closed a connection")));
    socket.on("data", (data) => {
      if (!hasText && data.includes(MARK)) {
        hasText = true;
        seen.firstTextMs.push(performance.now() - sentAt);
      }
      answer = answer.length === 0 ? data : Buffer.concat([answer, data]);
      if (!isWhole(answer)) return;
      seen.latenciesMs.push(performance.now() - sentAt);
      if (statusOf(answer) !== status) {
        reject(new Error(`an answer was not ${status}: ${answer.toString().slice(0, 600)}`));
        socket.destroy();
        return;
      }
      answer = Buffer.alloc(0);
      next();
    });
  });
}

const statusOf = (answer: Buffer): number => Number(answer.toString("latin1", 9, 12));

/** By content-length, else by the last chunk. */
function isWhole(answer: Buffer): boolean {
  const headEnd = answer.indexOf(HEAD_END);
  if (headEnd === -1) return false;
  const length = /\r\ncontent-length: (\d+)/i.exec(answer.toString("latin1", 0, headEnd))?.[1];
  if (length === undefined)
    return answer.toString("latin1", answer.length - LAST_CHUNK.length) === LAST_CHUNK;
  return answer.length >= headEnd + HEAD_END.length + Number(length);
}
