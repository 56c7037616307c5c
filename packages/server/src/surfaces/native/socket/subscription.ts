import { failpoint } from "../../../kit/failpoint.ts";
import { textFrame } from "../../../kit/web-socket-frames.ts";
import type { TurnFrame, TurnReader } from "../../../modules/turns/turn-log.ts";
import type { Peer } from "../../peer.ts";
import { eventJson } from "../event-json.ts";

/**
 * Turns of one conversation that a slow socket may be behind with: each is kept in memory for as long as
 * someone reads it.
 */
const TURNS_BEHIND_MAX = 8;

/** The frame of an event, built once for all sockets. */
function bytesOf(frame: TurnFrame): Buffer {
  frame.bytes ??= textFrame(eventJson(frame.event));
  return frame.bytes;
}

/**
 * What one socket hears of one conversation: the turns that it reads, each from a position of its own,
 * and the frames that are written to all. A slow socket holds positions, not a buffer.
 */
export class Subscription {
  readonly conversationId: string;
  readonly #peer: Peer;
  /** By turn, in the order in which they are read. */
  readonly #readers = new Map<string, TurnReader>();
  /** Ends it at the feed; set when it has joined. */
  leave: () => void = () => {};
  #isOver = false;

  constructor(conversationId: string, peer: Peer) {
    this.conversationId = conversationId;
    this.#peer = peer;
  }

  /** Reads a turn from here on, unless it is being read. */
  follow(turnId: string, reader: TurnReader): void {
    if (this.#isOver || this.#readers.has(turnId)) {
      reader.close();
      return;
    }
    if (this.#readers.size >= TURNS_BEHIND_MAX && this.#peer.isBlocked()) {
      reader.close();
      this.#peer.giveUp();
      return;
    }
    this.#readers.set(turnId, reader);
    reader.onNews(() => this.#pump(turnId, reader));
    this.#pump(turnId, reader);
  }

  broadcast(frame: Buffer): void {
    this.#peer.write(frame);
  }

  /** The socket takes more again. */
  drained(): void {
    for (const [turnId, reader] of this.#readers) this.#pump(turnId, reader);
  }

  /** So much news wait that some would have to be dropped. */
  giveUp(): void {
    this.#peer.giveUp();
  }

  end(): void {
    this.#isOver = true;
    this.leave();
    for (const reader of this.#readers.values()) reader.close();
    this.#readers.clear();
  }

  #pump(turnId: string, reader: TurnReader): void {
    const peer = this.#peer;
    while (!peer.isBlocked()) {
      const frame = reader.next();
      if (!frame) break;
      failpoint("k15");
      peer.write(bytesOf(frame));
      failpoint("k16");
    }
    if (!reader.isDone()) return;
    reader.close();
    this.#readers.delete(turnId);
  }
}
