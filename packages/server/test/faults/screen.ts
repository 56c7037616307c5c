import type { TurnEvent } from "@parley-chat/sdk";

/**
 * What a client shows of one turn, by the letter of the stream: it drops, appends and ends as the events
 * say, and writes down everything that breaks a promise (I6, I7, I8).
 */
export interface Screen {
  /** A connection begins: from a cursor, or from nothing. */
  connect(after: string | null): void;
  apply(event: TurnEvent): void;
  readonly text: string;
  readonly epoch: number | null;
  /** The position after the last event that has one. */
  readonly cursor: string | null;
  /** The event that ended the turn. */
  readonly end: TurnEvent | null;
  readonly resets: number;
  readonly violations: readonly string[];
  /** Writes down a violation that the reader of the wire saw. */
  wrong(what: string): void;
}

const MAY_NOT_RISE = new Set(["unknown_cursor", "resume_expired"]);

/** A screen, empty or as it stood at a cursor. */
export function createScreen(
  from: { text: string; epoch: number | null } = { text: "", epoch: null },
): Screen {
  const violations: string[] = [];
  let { text, epoch } = from;
  let cursor: string | null = null;
  let end: TurnEvent | null = null;
  let resets = 0;
  let isFirst = true;
  let hasStarted = false;
  let hasReplyStarted = false;
  let isResuming = false;
  let endStatus: string | null = null;
  const wrong = (what: string) => void violations.push(what);

  const applyDelta = (event: Extract<TurnEvent, { type: "reply.delta" }>) => {
    if (!hasReplyStarted) wrong("a delta before reply.start");
    if (event.epoch !== epoch) wrong(`a delta of epoch ${event.epoch} where ${epoch} is shown`);
    if (event.offset !== text.length)
      wrong(`a delta at ${event.offset} where the text ends at ${text.length}`);
    if (event.text === "") wrong("an empty delta");
    if (!event.text.isWellFormed()) wrong("a delta cuts a surrogate pair");
    text += event.text;
    cursor = event.cursor;
  };

  const applyReset = (event: Extract<TurnEvent, { type: "reply.reset" }>) => {
    resets++;
    const mustRise = !MAY_NOT_RISE.has(event.reason);
    if (mustRise && epoch !== null && event.epoch <= epoch) {
      wrong(`a reset (${event.reason}) to epoch ${event.epoch} where ${epoch} was shown`);
    }
    text = "";
    epoch = event.epoch;
    cursor = event.cursor;
    hasReplyStarted = false;
    isResuming = true;
  };

  const applyStart = (event: Extract<TurnEvent, { type: "reply.start" }>) => {
    if (isResuming && event.epoch !== epoch) wrong(`reply.start of epoch ${event.epoch} without a reset`);
    if (!isResuming) {
      if (epoch !== null && event.epoch < epoch) wrong(`epoch fell from ${epoch} to ${event.epoch}`);
      text = "";
    }
    epoch = event.epoch;
    isResuming = true;
    hasReplyStarted = true;
  };

  const applyEnd = (event: Extract<TurnEvent, { type: "reply.end" }>) => {
    if (!hasReplyStarted) wrong("reply.end before reply.start");
    if (event.epoch !== epoch) wrong(`reply.end of epoch ${event.epoch} where ${epoch} is shown`);
    if (event.message.content !== text) wrong("the stored reply is not the text that was streamed");
    if (endStatus !== null) wrong("a second reply.end");
    endStatus = event.message.status;
    cursor = event.cursor;
  };

  const applyClosing = (event: TurnEvent) => {
    end = event;
    const wanted = event.type === "turn.completed" ? "complete" : "incomplete";
    if (event.type === "turn.completed" && endStatus === null) wrong("completed without reply.end");
    if (endStatus !== null && endStatus !== wanted) wrong(`${event.type} with a reply that is ${endStatus}`);
    if (endStatus === null && text !== "") wrong(`${event.type} without reply.end though text was shown`);
  };

  return {
    connect(after) {
      isFirst = true;
      hasStarted = false;
      hasReplyStarted = false;
      endStatus = null;
      end = null;
      isResuming = after !== null;
      if (after === null) text = "";
    },
    apply(event) {
      if (end) wrong(`${event.type} after ${end.type}`);
      if (isFirst && event.type !== "turn.started") wrong(`a connection that begins with ${event.type}`);
      isFirst = false;
      switch (event.type) {
        case "turn.started":
          if (hasStarted) wrong("turn.started twice on one connection");
          hasStarted = true;
          return;
        case "reply.start":
          return applyStart(event);
        case "reply.delta":
          return applyDelta(event);
        case "reply.reset":
          return applyReset(event);
        case "reply.end":
          return applyEnd(event);
        default:
          return applyClosing(event);
      }
    },
    get text() {
      return text;
    },
    get epoch() {
      return epoch;
    },
    get cursor() {
      return cursor;
    },
    get end() {
      return end;
    },
    get resets() {
      return resets;
    },
    violations,
    wrong,
  };
}
