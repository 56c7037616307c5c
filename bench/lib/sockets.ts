import { connect, type Socket } from "node:net";
import { withTimeout } from "./process.ts";
import type { Product } from "./product.ts";

const OPEN_TIMEOUT_MS = 60_000;
const RUN_TIMEOUT_MS = 60_000;
const OPEN_AT_ONCE = 200;
const TICKETS_AT_ONCE = 50;
const HEAD_END = Buffer.from("\r\n\r\n");
const EMPTY = Buffer.alloc(0);

/** A text as a client's frame. The mask is all zeros, which leaves the text as it is and its reader as busy as any other. */
export function clientFrame(text: string): Buffer {
  const length = Buffer.byteLength(text);
  const head =
    length < 126
      ? Buffer.from([0x81, 0x80 | length])
      : Buffer.from([0x81, 0x80 | 126, length >> 8, length & 255]);
  return Buffer.concat([head, Buffer.alloc(4), Buffer.from(text)]);
}

/** A WebSocket whose frames are cut, not parsed. */
export interface BareSocket {
  write(frame: Buffer): void;
  /** Called with each frame's payload; one listener. */
  onFrame: (payload: Buffer) => void;
  close(): void;
}

/** Opens one socket for each path. */
export async function openSockets(port: number, paths: readonly string[]): Promise<BareSocket[]> {
  const sockets: BareSocket[] = [];
  for (let from = 0; from < paths.length; from += OPEN_AT_ONCE) {
    const batch = paths.slice(from, from + OPEN_AT_ONCE).map((path) => open(port, path));
    sockets.push(...(await withTimeout(Promise.all(batch), OPEN_TIMEOUT_MS, "sockets did not open")));
  }
  return sockets;
}

function open(port: number, path: string): Promise<BareSocket> {
  return new Promise((resolve, reject) => {
    const socket: Socket = connect({ port, host: "127.0.0.1", noDelay: true });
    let rest: Buffer = EMPTY;
    let isOpen = false;
    const bare: BareSocket = {
      write: (frame) => void socket.write(frame),
      onFrame: () => {},
      close: () => void socket.destroy(),
    };
    socket.write(
      `GET ${path} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n`,
    );
    socket.on("error", reject);
    socket.on("close", () => reject(new Error("the server closed a socket")));
    socket.on("data", (data) => {
      rest = rest.length === 0 ? data : Buffer.concat([rest, data]);
      if (!isOpen) {
        const end = rest.indexOf(HEAD_END);
        if (end === -1) return;
        if (!rest.toString("latin1", 0, 12).endsWith("101")) {
          reject(new Error(`a socket was refused: ${rest.toString()}`));
          return;
        }
        isOpen = true;
        rest = rest.subarray(end + HEAD_END.length);
        resolve(bare);
      }
      rest = takeFrames(rest, bare);
    });
  });
}

/** The addresses of so many sockets, each with its ticket. */
export async function socketPaths(product: Product, count: number): Promise<string[]> {
  const paths: string[] = [];
  const make = () => product.call<{ ticket: string }>("POST", "/api/v2/realtime/tickets");
  while (paths.length < count) {
    const batch = Array.from({ length: Math.min(TICKETS_AT_ONCE, count - paths.length) }, make);
    for (const { ticket } of await Promise.all(batch)) paths.push(`/api/v2/realtime?ticket=${ticket}`);
  }
  return paths;
}

/** Hands on every whole frame; returns what is left. */
function takeFrames(data: Buffer, to: BareSocket): Buffer {
  let at = 0;
  while (data.length - at >= 2) {
    const short = (data[at + 1] as number) & 127;
    const head = short < 126 ? 2 : short === 126 ? 4 : 10;
    if (data.length - at < head) break;
    const length =
      short < 126 ? short : short === 126 ? data.readUInt16BE(at + 2) : data.readUIntBE(at + 4, 6);
    if (data.length - at < head + length) break;
    const isText = ((data[at] as number) & 15) === 1;
    if (isText) to.onFrame(data.subarray(at + head, at + head + length));
    at += head + length;
  }
  return at === 0 ? data : data.subarray(at);
}

/** Every socket sends a frame, waits for its answer, and sends the next, `count` of them all in all; frames a second. */
export async function askAndAnswer(
  sockets: readonly BareSocket[],
  count: number,
  frame: (socket: number, n: number) => Buffer,
  isAnswer: (payload: Buffer) => boolean,
): Promise<number> {
  // As in `load`: the clients never sleep.
  let isOver = false;
  const spin = () => {
    if (!isOver) setImmediate(spin);
  };
  spin();
  const each = Math.ceil(count / sockets.length);
  const startedAt = performance.now();
  const runs = sockets.map(
    (socket, index) =>
      new Promise<void>((resolve) => {
        let sent = 0;
        const next = () => {
          if (sent === each) resolve();
          else socket.write(frame(index, sent++));
        };
        socket.onFrame = (payload) => {
          if (isAnswer(payload)) next();
        };
        next();
      }),
  );
  await withTimeout(Promise.all(runs), RUN_TIMEOUT_MS, "the frames were not answered");
  isOver = true;
  return (each * sockets.length) / ((performance.now() - startedAt) / 1_000);
}
