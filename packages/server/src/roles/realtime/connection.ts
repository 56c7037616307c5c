import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import type { closeCodes, Principal } from "@parley-chat/sdk/contract";
import type { WebSocket } from "ws";
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

/**
 * One socket: what comes in is read by the library; what goes out is written here, as whole frames
 * straight to the connection, so that one buffer serves all sockets. Of these there may be many
 * thousands, so it holds little and no request.
 */
export class Connection implements Peer {
  readonly principal: Principal;
  readonly userAgent: string;
  readonly address: string;
  readonly openedTick: number;
  readonly #webSocket: WebSocket;
  readonly #socket: Socket;
  #session: PeerSession | null = null;
  #isBlocked = false;
  #isClosing = false;
  #isAlive = true;
  #takenBytes = 0;
  #spareBytes = 0;

  constructor(
    webSocket: WebSocket,
    request: Pick<IncomingMessage, "headers" | "socket">,
    principal: Principal,
    openedTick: number,
  ) {
    this.#webSocket = webSocket;
    this.#socket = request.socket;
    this.principal = principal;
    this.userAgent = (request.headers["user-agent"] ?? "").slice(0, 512);
    this.address = request.socket.remoteAddress ?? "";
    this.openedTick = openedTick;
  }

  /** `onClosed` is called once, after the session was told. */
  begin(session: PeerSession, onClosed: (connection: Connection) => void): void {
    this.#session = session;
    this.#webSocket.on("message", (data, isBinary) => {
      this.#isAlive = true;
      if (!this.#isClosing) session.receive(data as Buffer, isBinary);
    });
    this.#webSocket.on("pong", () => {
      this.#isAlive = true;
    });
    // What is wrong with the protocol the library answers with a close of its own.
    this.#webSocket.on("error", () => {
      this.#isClosing = true;
    });
    this.#webSocket.on("close", () => {
      this.#isClosing = true;
      session.closed();
      onClosed(this);
    });
    this.#socket.on("drain", () => this.#drained());
  }

  write(frame: Buffer): void {
    if (this.#isClosing) return;
    if (this.#isBlocked) {
      this.#spareBytes -= frame.length;
      if (this.#spareBytes < 0) {
        this.giveUp();
        return;
      }
    }
    const socket = this.#socket;
    if (socket.write(frame) || this.#isBlocked || socket.writableLength < BLOCKED_BYTES) return;
    this.#isBlocked = true;
    this.#spareBytes = Math.max(SPARE_BYTES_MIN, BUFFERED_BYTES_MAX - socket.writableLength);
    this.#session?.blocked();
  }

  isBlocked(): boolean {
    return this.#isBlocked || this.#isClosing;
  }

  pause(): void {
    if (!this.#isClosing) this.#webSocket.pause();
  }

  resume(): void {
    if (!this.#isClosing) this.#webSocket.resume();
  }

  giveUp(): void {
    this.close(1013, "reads too slowly");
  }

  /** From now on no frame goes either way, but the close itself. */
  close(code: keyof typeof closeCodes, reason: string): void {
    if (this.#isClosing) return;
    this.#isClosing = true;
    this.#webSocket.resume();
    this.#webSocket.close(code, reason);
  }

  /** Pings; ends a socket that since the last time neither said anything nor took any of what waits for it. */
  beat(): void {
    if (this.#isClosing) return;
    const socket = this.#socket;
    const before = this.#takenBytes;
    this.#takenBytes = socket.bytesWritten - socket.writableLength;
    // A slow client cannot answer a ping that waits behind what it has yet to read.
    const isReading = this.#isBlocked && this.#takenBytes > before;
    if (!this.#isAlive && !isReading) {
      this.#isClosing = true;
      this.#webSocket.terminate();
      return;
    }
    this.#isAlive = false;
    if (!this.#isBlocked) socket.write(pingFrame);
  }

  #drained(): void {
    if (!this.#isBlocked) return;
    this.#isBlocked = false;
    if (!this.#isClosing) this.#session?.drained();
  }
}
