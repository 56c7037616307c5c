import { failpoint } from "../../../kit/failpoint.ts";
import { textFrame } from "../../../kit/web-socket-frames.ts";
import type { ForkingReader, TurnFrame, TurnLog } from "../../../modules/turns/turn-log.ts";
import type { Peer } from "../../peer.ts";
import { eventJson } from "../event-json.ts";

/** The frame of an event, built once for all sockets. */
export function bytesOf(frame: TurnFrame): Buffer {
  frame.bytes ??= textFrame(eventJson(frame.event));
  return frame.bytes;
}

/** Who hears a turn, as its group sees them. */
interface Hearer {
  readonly peer: Pick<Peer, "write">;
  /** Reads on by itself from here. */
  follow(turnId: string, reader: ForkingReader): void;
}

export interface TurnGroup {
  begin(): void;
  /** Hears nothing more of it. */
  leave(hearer: Hearer): void;
  /** Its socket takes no more for now: it goes on by itself, from where all are. */
  fallBehind(hearer: Hearer): void;
}

/**
 * A turn for all who hear it from its start: read once, each frame written to everyone who keeps up.
 * `onOver` is called when nothing is left to do.
 */
export function openTurnGroup(log: TurnLog, present: Iterable<Hearer>, onOver: () => void): TurnGroup {
  // With its peer beside it, so that the way to a thousand sockets leads over nothing else.
  const hearers = new Map([...present].map((hearer) => [hearer, hearer.peer]));
  let reader = log.read(null);
  let isOver = false;

  const end = () => {
    if (isOver) return;
    isOver = true;
    reader.close();
    onOver();
  };
  const leave = (hearer: Hearer) => {
    if (hearers.delete(hearer) && hearers.size === 0) end();
  };
  const pump = () => {
    for (let frame = isOver ? null : reader.next(); frame; frame = isOver ? null : reader.next()) {
      failpoint("k15");
      const bytes = bytesOf(frame);
      for (const peer of hearers.values()) peer.write(bytes);
      failpoint("k16");
    }
    if (isOver || !reader.isDone()) return;
    if (reader.isBrokenOff()) readOn();
    else end();
  };
  /** A socket has pings of its own: it can wait over a break without a sign. */
  const readOn = () => {
    reader.close();
    reader = reader.fork();
    reader.onNews(pump);
    pump();
  };

  return {
    begin() {
      if (hearers.size === 0) return end();
      reader.onNews(pump);
      pump();
    },
    leave,
    fallBehind(hearer) {
      if (!hearers.has(hearer)) return;
      const own = reader.fork();
      leave(hearer);
      hearer.follow(log.turnId, own);
    },
  };
}
