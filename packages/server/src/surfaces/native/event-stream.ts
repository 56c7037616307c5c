import type { ServerResponse } from "node:http";
import type { Clock } from "../../kit/clock.ts";
import { failpoint } from "../../kit/failpoint.ts";
import { createPassingMap } from "../../kit/passing-map.ts";
import type { TurnFrame, TurnReader } from "../../modules/turns/turn-log.ts";
import { eventJson } from "./event-json.ts";

const TICK_MS = 1_000;
const TICKS_TO_KEEP_ALIVE = 15;
/** I17: what may wait in one socket before reading of the log pauses. */
const SOCKET_BUFFER_BYTES_MAX = 128 * 1024;
/** A client that takes nothing of what waits for so long is let go: it goes on from its cursor, if it lives. */
const STUCK_MS = 120_000;
/** What is written at once, before the socket is asked whether it takes more; the frame that goes beyond it is whole. */
const PIECE_UNITS_MAX = 16 * 1024;
const KEEP_ALIVE = ": keep-alive\n\n";

export interface EventStreamUses {
  /** I13: false once the credential behind the stream is dead; asked every second. */
  isAlive(): Promise<boolean>;
  /** Called once, when the stream has closed for whatever reason. */
  onClose(): void;
}

/** The open streams of a process, on one timer for all of them. */
export interface EventStreams {
  /**
   * Writes a turn's events to a response until the turn has ended or the client is gone. Reads from the
   * log only what the socket takes: a slow client costs a position, not a buffer. Leaving never stops
   * the turn (R5).
   */
  open(response: ServerResponse, reader: TurnReader, uses: EventStreamUses): void;
  /** Asks at once whether the credentials of all streams still live. */
  checkAll(): void;
}

export function createEventStreams(clock: Clock): EventStreams {
  const streams = createPassingMap<number, Stream>();
  let opened = 0;
  const checkAll = () => {
    for (const stream of streams.values()) stream.check();
  };
  clock.every(TICK_MS, () => {
    for (const stream of streams.values()) {
      stream.check();
      stream.keepAlive();
    }
  });
  return {
    open(response, reader, uses) {
      // The headers and what there is to say in a moment go out as one.
      const { socket } = response;
      socket?.cork();
      const number = opened++;
      const stream = openStream(response, reader, {
        isAlive: uses.isAlive,
        onClose() {
          streams.delete(number);
          uses.onClose();
        },
      });
      streams.set(number, stream);
      stream.begin();
      process.nextTick(() => socket?.uncork());
    },
    checkAll,
  };
}

interface Stream {
  begin(): void;
  check(): void;
  /** Called every second; every fifteenth time a comment goes out. */
  keepAlive(): void;
}

/** The wire form of an event: its name, its cursor as id, the event as data. Built once for all readers. */
export function renderFrame(frame: TurnFrame): string {
  if (frame.wire !== undefined) return frame.wire;
  const { event } = frame;
  const id = "cursor" in event ? `id: ${event.cursor}\n` : "";
  frame.wire = `event: ${event.type}\n${id}data: ${eventJson(event)}\n\n`;
  return frame.wire;
}

function openStream(response: ServerResponse, reader: TurnReader, uses: EventStreamUses): Stream {
  const out = createChunkWriter(response, () => pump());
  let isClosed = false;
  let ticks = 0;

  const pump = () => {
    while (!out.isBlocked() && !isClosed) {
      const piece = takePiece(reader);
      if (!piece) break;
      // The last piece and the end of the response, which uncorks, go out as one.
      if (reader.isDone()) response.socket?.cork();
      out.write(piece.text);
      for (let n = 0; n < piece.count; n++) failpoint("k16");
      if (reader.isDone()) break;
    }
    if (reader.isDone() && !isClosed) finish();
  };

  const finish = () => {
    if (isClosed) return;
    isClosed = true;
    out.close();
    reader.close();
    response.end();
    uses.onClose();
  };

  /** What waits in the socket is not for whoever has lost the right to it. */
  const revoke = () => {
    const hasUnread = out.waitingBytes() > 0;
    finish();
    if (hasUnread) response.destroy();
  };

  return {
    begin() {
      response.on("close", finish);
      response.on("error", finish);
      // Whoever left before we came will not leave again.
      if (response.destroyed) return finish();
      reader.onNews(pump);
      pump();
    },
    check() {
      uses.isAlive().then(
        (isAlive) => {
          if (!isAlive) revoke();
        },
        // A store that cannot be asked now is asked again in a second.
        () => {},
      );
    },
    keepAlive() {
      if (++ticks % TICKS_TO_KEEP_ALIVE === 0 && !isClosed && !out.isBlocked()) out.write(KEEP_ALIVE);
    },
  };
}

/** What the reader has just now, up to about a bound, or null where that is nothing. */
function takePiece(reader: TurnReader): { text: string; count: number } | null {
  let text = "";
  let count = 0;
  for (let frame = reader.next(); frame; frame = reader.next()) {
    failpoint("k15");
    text += renderFrame(frame);
    count++;
    if (text.length >= PIECE_UNITS_MAX) break;
  }
  return count === 0 ? null : { text, count };
}

interface ChunkWriter {
  write(text: string): void;
  isBlocked(): boolean;
  waitingBytes(): number;
  close(): void;
}

/**
 * Writes text to a response whose headers are out: as a chunk of HTTP straight to its socket, which
 * costs half of what `response.write` does. Where the response is not chunked, or not yet the first of
 * its connection, `response.write` does it.
 */
function createChunkWriter(response: ServerResponse, onDrain: () => void): ChunkWriter {
  response.flushHeaders();
  const socket = response.chunkedEncoding ? response.socket : null;
  const target = socket ?? response;
  const connection = response.socket;
  let isBlocked = false;
  // A timer of the connection costs something at every event, so it runs only while a client is behind.
  connection?.setTimeout(0);
  const drained = () => {
    if (isBlocked) connection?.setTimeout(0);
    isBlocked = false;
    onDrain();
  };
  target.on("drain", drained);
  return {
    write(text) {
      let wasTaken: boolean;
      if (socket) {
        const bytes = Buffer.byteLength(text);
        const chunk = `${bytes.toString(16)}\r\n${text}\r\n`;
        wasTaken = socket.write(chunk, bytes === text.length ? "latin1" : "utf8");
      } else wasTaken = response.write(text);
      isBlocked = !wasTaken && target.writableLength >= SOCKET_BUFFER_BYTES_MAX;
      if (isBlocked) connection?.setTimeout(STUCK_MS);
    },
    isBlocked: () => isBlocked,
    waitingBytes: () => target.writableLength,
    close() {
      target.off("drain", drained);
      connection?.setTimeout(STUCK_MS);
    },
  };
}
