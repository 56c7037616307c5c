import { connect, type Socket } from "node:net";
import { MARK } from "./mark.ts";
import { withTimeout } from "./process.ts";

const WAIT_TIMEOUT_MS = 30_000;
const OPEN_AT_ONCE = 200;
/** No piece of text is longer; one that began in an earlier read is shown with it. */
const PIECE_BYTES = 64;
const EMPTY = Buffer.alloc(0);
const MARK_BYTE = MARK.charCodeAt(0);

/** Event streams that are read and counted, not parsed. */
export interface Streams {
  /** Resolves when all of them together have brought so many pieces of text. */
  seen(pieces: number): Promise<void>;
  /** Resolves when every stream has closed; rejects where one ended without the text that must end it. */
  ended(closingText: string): Promise<void>;
}

/** Is shown each piece of text: what was read of its stream, and where in it the piece's mark stands. */
export type OnPiece = (stream: number, read: Buffer, markAt: number) => void;

/** Opens one stream for each request (a whole HTTP request each, with `connection: close`). */
export async function openStreams(
  port: number,
  requests: readonly string[],
  onPiece: OnPiece = () => {},
): Promise<Streams> {
  let pieces = 0;
  let wanted = Number.POSITIVE_INFINITY;
  let reached = () => {};
  const befores: Buffer[] = [];
  const lasts: Buffer[] = [];

  const onData = (stream: number, data: Buffer) => {
    const before = lasts[stream] ?? EMPTY;
    for (let at = data.indexOf(MARK_BYTE); at !== -1; at = data.indexOf(MARK_BYTE, at + 1)) {
      pieces++;
      if (at >= PIECE_BYTES) onPiece(stream, data, at);
      else onPiece(stream, Buffer.concat([before, data]), before.length + at);
    }
    befores[stream] = before;
    lasts[stream] = data;
    if (pieces >= wanted) reached();
  };
  /** A closing event may have come in two pieces. */
  const tail = (stream: number) => Buffer.concat([befores[stream] ?? EMPTY, lasts[stream] ?? EMPTY]);

  const sockets: Socket[] = [];
  const closings: Promise<void>[] = [];
  for (let from = 0; from < requests.length; from += OPEN_AT_ONCE) {
    const batch = requests.slice(from, from + OPEN_AT_ONCE).map((text, n) => {
      const socket = connect(port, "127.0.0.1");
      sockets.push(socket);
      closings.push(new Promise((resolve) => socket.once("close", () => resolve())));
      socket.on("error", () => {});
      socket.write(text);
      socket.on("data", (data) => onData(from + n, data));
      return new Promise<void>((resolve) => socket.once("data", () => resolve()));
    });
    await withTimeout(Promise.all(batch), WAIT_TIMEOUT_MS, "streams did not open");
  }

  return {
    seen(count) {
      if (pieces >= count) return Promise.resolve();
      wanted = count;
      const all = new Promise<void>((resolve) => {
        reached = resolve;
      });
      return withTimeout(all, WAIT_TIMEOUT_MS, `${count} pieces did not arrive`);
    },
    async ended(closingText) {
      await withTimeout(Promise.all(closings), WAIT_TIMEOUT_MS, "streams did not end");
      const broken = lasts.findIndex((_, stream) => !tail(stream).includes(closingText));
      if (broken !== -1) throw new Error(`a stream ended with: ${tail(broken).toString().slice(-300)}`);
    },
  };
}
