import type { IncomingMessage } from "node:http";
import type { closeCodes, Principal } from "@parley-chat/sdk/contract";
import type { RawData, WebSocket } from "ws";
import { pingFrame } from "../../kit/web-socket-frames.ts";
import type { Peer, PeerSession } from "../../surfaces/peer.ts";

/** I17: from here on nothing more is read from logs for this socket. */
const BLOCKED_BYTES = 128 * 1024;
/** I17: beyond this the socket is closed, for frames would have to be dropped. */
const BUFFERED_BYTES_MAX = 256 * 1024;
/** So much goes in though what waits is one great frame, such as a long reply at its end. */
const SPARE_BYTES_MIN = 64 * 1024;
/** How long a client may take to answer a close. */
export const CLOSE_TIMEOUT_MS = 2_000;

export interface Connection {
  readonly peer: Peer;
  readonly openedTick: number;
  /** `onClosed` is called once, after the session was told. */
  begin(session: PeerSession, onClosed: () => void): void;
  /** Pings; ends a socket that since the last time neither said anything nor took any of what waits for it. */
  beat(): void;
  /** From now on no frame goes either way, but the close itself. */
  close(code: keyof typeof closeCodes, reason: string): void;
}

/**
 * One socket: what comes in is read by the library; what goes out is written here, as whole frames
 * straight to the connection, so that one buffer serves all sockets.
 */
export function createConnection(
  webSocket: WebSocket,
  request: Pick<IncomingMessage, "headers" | "socket">,
  principal: Principal,
  openedTick: number,
): Connection {
  const { socket } = request;
  let session: PeerSession | null = null;
  let isBlocked = false;
  let isClosing = false;
  let isAlive = true;
  let takenBytes = 0;
  let spareBytes = 0;

  const close: Connection["close"] = (code, reason) => {
    if (isClosing) return;
    isClosing = true;
    webSocket.resume();
    webSocket.close(code, reason);
  };
  const giveUp = () => close(1013, "reads too slowly");

  const peer: Peer = {
    principal,
    userAgent: (request.headers["user-agent"] ?? "").slice(0, 512),
    address: socket.remoteAddress ?? "",
    write(frame) {
      if (isClosing) return;
      if (isBlocked) {
        spareBytes -= frame.length;
        if (spareBytes < 0) return giveUp();
      }
      if (socket.write(frame) || isBlocked || socket.writableLength < BLOCKED_BYTES) return;
      isBlocked = true;
      spareBytes = Math.max(SPARE_BYTES_MIN, BUFFERED_BYTES_MAX - socket.writableLength);
    },
    isBlocked: () => isBlocked || isClosing,
    pause: () => {
      if (!isClosing) webSocket.pause();
    },
    resume: () => {
      if (!isClosing) webSocket.resume();
    },
    giveUp,
  };

  return {
    peer,
    openedTick,
    begin(opened, onClosed) {
      session = opened;
      webSocket.on("message", (data: RawData, isBinary) => {
        isAlive = true;
        if (!isClosing) opened.receive(data as Buffer, isBinary);
      });
      webSocket.on("pong", () => {
        isAlive = true;
      });
      // What is wrong with the protocol the library answers with a close of its own.
      webSocket.on("error", () => {
        isClosing = true;
      });
      webSocket.on("close", () => {
        isClosing = true;
        opened.closed();
        onClosed();
      });
      socket.on("drain", () => {
        if (!isBlocked) return;
        isBlocked = false;
        if (!isClosing) session?.drained();
      });
    },
    beat() {
      if (isClosing) return;
      const before = takenBytes;
      takenBytes = socket.bytesWritten - socket.writableLength;
      // A slow client cannot answer a ping that waits behind what it has yet to read.
      const isReading = isBlocked && takenBytes > before;
      if (!isAlive && !isReading) {
        isClosing = true;
        webSocket.terminate();
        return;
      }
      isAlive = false;
      if (!isBlocked) socket.write(pingFrame);
    },
    close,
  };
}
