import type { Principal } from "@parley-chat/sdk/contract";

/** One open socket, as the role that keeps it hands it to a surface. */
export interface Peer {
  readonly principal: Principal;
  readonly userAgent: string;
  readonly address: string;
  /**
   * Writes one frame. What a blocked peer does not take is kept, 256 KiB with what waits already; beyond
   * that the socket is closed, for the client to connect again and read anew.
   */
  write(frame: Buffer): void;
  /** So much waits that nothing more should be read from a log; `drained` tells when it may go on. */
  isBlocked(): boolean;
  /** Takes no more frames of the client until `resume`. */
  pause(): void;
  resume(): void;
  /** Closes because frames that must not be missing cannot be brought. */
  giveUp(): void;
}

/** What a surface makes of a peer. */
export interface PeerSession {
  receive(data: Buffer, isBinary: boolean): void;
  /** The peer has become blocked. */
  blocked(): void;
  drained(): void;
  /** Called once, whoever closed it. */
  closed(): void;
}
