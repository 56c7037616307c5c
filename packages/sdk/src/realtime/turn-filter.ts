import { closingEvents, type TurnEvent } from "../contract/index.ts";

const TURNS_KEPT_MAX = 64;
const NOTHING: readonly TurnEvent[] = [];

interface Seen {
  epoch: number;
  /** UTF-16 code units of the reply that are known to whoever listens; null where the first delta tells. */
  length: number | null;
  cursor: string | null;
  isReplyStarted: boolean;
  isReplyEnded: boolean;
  isOver: boolean;
}

/**
 * Passes on the events of one conversation so that none comes twice: within an epoch deltas tile the
 * reply, whatever connections and resumptions they came over.
 */
export interface TurnFilter {
  /** The event, shortened where part of it was seen; none where all was; `gap` where something is missing. */
  pass(event: TurnEvent): readonly TurnEvent[] | "gap";
  /** Where to go on: the last cursor of a turn that is under way. */
  cursor(): { turnId: string; cursor: string } | null;
  /** Turns that have started and not ended. */
  openTurns(): string[];
}

/** With `isResuming`, the first turn goes on from a position that the caller knows. */
export function createTurnFilter({ isResuming = false }: { isResuming?: boolean } = {}): TurnFilter {
  const turns = new Map<string, Seen>();

  const seenOf = (turnId: string): Seen | null => turns.get(turnId) ?? null;
  const begin = (turnId: string): Seen => {
    const fresh: Seen = {
      epoch: 0,
      length: isResuming && turns.size === 0 ? null : 0,
      cursor: null,
      isReplyStarted: false,
      isReplyEnded: false,
      isOver: false,
    };
    turns.set(turnId, fresh);
    for (const [oldest, seen] of turns) {
      if (turns.size <= TURNS_KEPT_MAX) break;
      if (seen.isOver) turns.delete(oldest);
    }
    return fresh;
  };

  function pass(event: TurnEvent): readonly TurnEvent[] | "gap" {
    const known = seenOf(event.turn_id);
    if (event.type === "turn.started") {
      if (known) return NOTHING;
      begin(event.turn_id);
      return [event];
    }
    const seen = known ?? begin(event.turn_id);
    if (seen.isOver) return NOTHING;
    if (closingEvents.has(event.type)) {
      seen.isOver = true;
      return [event];
    }
    const passed = passReply(event, seen);
    if (passed !== "gap") for (const one of passed) if ("cursor" in one) seen.cursor = one.cursor || null;
    return passed;
  }

  function passReply(event: TurnEvent, seen: Seen): readonly TurnEvent[] | "gap" {
    switch (event.type) {
      case "reply.start":
        if (event.epoch < seen.epoch || (event.epoch === seen.epoch && seen.isReplyStarted)) return NOTHING;
        return startReply(event, seen);
      case "reply.reset":
        if (event.epoch < seen.epoch) return NOTHING;
        startEpoch(seen, event.epoch);
        return [event];
      case "reply.delta": {
        if (event.epoch !== seen.epoch) return event.epoch < seen.epoch ? NOTHING : "gap";
        const { offset, text } = event;
        const known = seen.length ?? offset;
        if (offset > known) return "gap";
        if (offset + text.length <= known) return NOTHING;
        seen.length = offset + text.length;
        return [offset === known ? event : { ...event, offset: known, text: text.slice(known - offset) }];
      }
      case "reply.end":
        if (event.epoch < seen.epoch || seen.isReplyEnded) return NOTHING;
        if (event.epoch > seen.epoch) return "gap";
        if (seen.length !== null && event.message.content.length !== seen.length) return "gap";
        seen.isReplyEnded = true;
        return [event];
      default:
        return [event];
    }
  }

  const open = () => [...turns].filter(([, seen]) => !seen.isOver);
  return {
    pass,
    cursor() {
      for (const [turnId, { cursor }] of open().reverse()) if (cursor !== null) return { turnId, cursor };
      return null;
    },
    openTurns: () => open().map(([turnId]) => turnId),
  };
}

/**
 * A connection that began from nothing, because no text had come yet, tells of no reset; whoever listens
 * here saw no break, so it is told for it. There is no cursor to go with it.
 */
function startReply(event: Extract<TurnEvent, { type: "reply.start" }>, seen: Seen): readonly TurnEvent[] {
  const { epoch, conversation_id, turn_id } = event;
  const isAnother = seen.epoch > 0 && epoch > seen.epoch;
  // Who resumes has the text of the epoch that goes on.
  if (seen.length === null) seen.epoch = epoch;
  else if (epoch > seen.epoch) startEpoch(seen, epoch);
  seen.isReplyStarted = true;
  if (!isAnother) return [event];
  const of = { conversation_id, turn_id };
  return [{ type: "reply.reset", ...of, epoch, reason: "restarted", cursor: "" }, event];
}

function startEpoch(seen: Seen, epoch: number): void {
  seen.epoch = epoch;
  seen.length = 0;
  seen.isReplyStarted = false;
  seen.isReplyEnded = false;
}
