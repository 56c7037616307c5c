import { failpoint } from "../../../kit/failpoint.ts";
import type { ForkingReader } from "../../../modules/turns/turn-log.ts";
import type { Peer } from "../../peer.ts";
import type { FeedPlace } from "./feeds.ts";
import { bytesOf } from "./turn-group.ts";

/**
 * Turns of one conversation that a slow socket may be behind with: each is kept in memory for as long as
 * someone reads it.
 */
const TURNS_BEHIND_MAX = 8;

/**
 * What one socket hears of one conversation: what is written to all, and the turns that it reads by
 * itself, because it came later or could not keep up. A slow socket holds positions, not a buffer.
 */
export class Subscription {
  readonly conversationId: string;
  readonly gone: () => void;
  readonly peer: Peer;
  /** By turn, in the order in which they are read. */
  readonly #readers = new Map<string, ForkingReader>();
  /** Its place at the feed; set when it has joined. */
  place: FeedPlace | null = null;
  #isOver = false;

  /** `onGone` is called when the conversation is no more. */
  constructor(conversationId: string, peer: Peer, onGone: () => void) {
    this.conversationId = conversationId;
    this.peer = peer;
    this.gone = onGone;
  }

  /** Reads a turn from here on, unless it is being read. */
  follow(turnId: string, reader: ForkingReader): void {
    if (this.#isOver || this.#readers.has(turnId)) {
      reader.close();
      return;
    }
    if (this.#readers.size >= TURNS_BEHIND_MAX && this.peer.isBlocked()) {
      reader.close();
      this.peer.giveUp();
      return;
    }
    this.#readers.set(turnId, reader);
    reader.onNews(() => this.#pump(turnId, reader));
    this.#pump(turnId, reader);
  }

  /** The socket takes no more for now. */
  blocked(): void {
    this.place?.fallBehind();
  }

  /** The socket takes more again. */
  drained(): void {
    for (const [turnId, reader] of this.#readers) this.#pump(turnId, reader);
  }

  end(): void {
    this.#isOver = true;
    this.place?.leave();
    for (const reader of this.#readers.values()) reader.close();
    this.#readers.clear();
  }

  #pump(turnId: string, reader: ForkingReader): void {
    const peer = this.peer;
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
    // A socket has pings of its own: it can wait over a break without a sign.
    if (reader.isBrokenOff()) this.follow(turnId, reader.fork());
  }
}
