import type { Message, ProblemDocument, ResetReason, Turn, TurnEvent } from "@parley-chat/sdk/contract";
import { cursorAt, cursorPrefix, type StreamPosition } from "./cursor.ts";

/** An event with its wire form, rendered once by the surface that first needs it. */
export interface TurnFrame {
  readonly event: TurnEvent;
  /** For event streams. */
  wire?: string;
  /** For sockets. */
  bytes?: Buffer;
}

/** Replay cuts a stored reply into deltas of at most this many UTF-16 code units (R4: 64 KiB). */
const REPLAY_DELTA_UNITS = 8_192;

/**
 * The stream of one turn in memory (R4): what the attempt that goes on has said so far, and the closing
 * events once it has ended. Readers pull from it at their own pace, so a slow one holds no buffer of its
 * own; the log is the buffer.
 */
export interface TurnLog {
  readonly turnId: string;
  readonly conversationId: string;
  /** An attempt begins: what an earlier one said is gone. */
  begin(start: { turn: Turn; message: Message; reply: Message; epoch: number; reason: ResetReason }): void;
  append(text: string): void;
  /** All that this attempt has said so far; nothing where another one is on. */
  text(epoch: number): string;
  /** The turn has ended as stored; what differs from what was streamed is announced by a reset. */
  end(ended: { turn: Turn; message: Message; reply: Message; epoch: number; reason: ResetReason }): void;
  isEnded(): boolean;
  /** Ends all reading that goes on, without a closing event: readers come again, with their cursor. */
  breakOff(): void;
  /** Resolves when the turn has ended. */
  readonly ended: Promise<void>;
  /** Reads from a position, or from nothing. */
  read(from: StreamPosition | null): ForkingReader;
}

export interface TurnReader {
  /** The next frame, or null where there is none yet (or none any more, see `isDone`). */
  next(): TurnFrame | null;
  /** True once the closing event was read, or the log has broken off. */
  isDone(): boolean;
  /** Called whenever there may be something new; one listener. */
  onNews(listener: () => void): void;
  close(): void;
}

/** A reader that can be doubled. */
export interface ForkingReader extends TurnReader {
  /** It is done without a closing event. */
  isBrokenOff(): boolean;
  /** Another one that goes on from the same place, also over a break. */
  fork(): ForkingReader;
}

interface Attempt {
  epoch: number;
  reason: ResetReason;
  prefix: string;
  characterId: string;
  /** The pieces as they came, and where each begins; kept as text, for an event costs ten times that. */
  texts: string[];
  offsets: number[];
  length: number;
  /** The event of the newest piece while its news go round: readers who keep up share it and its wire form. */
  newest: TurnFrame | null;
}

export function createTurnLog(turn: {
  id: string;
  conversationId: string;
  /** Called once, when there is something to read. */
  onStarted?(log: TurnLog): void;
}): TurnLog {
  const of = { conversation_id: turn.conversationId, turn_id: turn.id };
  const news = new Set<() => void>();
  const state: LogState = { started: null, attempt: null, closing: null, breaks: 0 };
  let announceEnd: () => void;
  const ended = new Promise<void>((resolve) => {
    announceEnd = resolve;
  });

  const wake = () => {
    for (const listener of news) listener();
  };

  const newAttempt = (epoch: number, reason: ResetReason, characterId: string): Attempt => ({
    epoch,
    reason,
    prefix: cursorPrefix(turn.id, epoch),
    characterId,
    texts: [],
    offsets: [],
    length: 0,
    newest: null,
  });

  const push = (to: Attempt, text: string) => {
    to.texts.push(text);
    to.offsets.push(to.length);
    to.length += text.length;
    to.newest = null;
  };

  let isAnnounced = false;
  const announceStart = () => {
    if (isAnnounced) return;
    isAnnounced = true;
    turn.onStarted?.(log);
  };

  const textOf = (attempt: Attempt | null) => attempt?.texts.join("") ?? "";

  const log: TurnLog = {
    turnId: turn.id,
    conversationId: turn.conversationId,
    begin({ turn: begun, message, reply, epoch, reason }) {
      state.started = { event: { type: "turn.started", ...of, turn: begun, message, reply } };
      state.attempt = newAttempt(epoch, reason, reply.character_id ?? "");
      announceStart();
      wake();
    },
    append(text) {
      if (!state.attempt || state.closing || text === "") return;
      push(state.attempt, text);
      wake();
      // Kept longer, what is written by now would outlive the young heap.
      if (state.attempt) state.attempt.newest = null;
    },
    text: (epoch) => (state.attempt?.epoch === epoch ? textOf(state.attempt) : ""),
    end({ turn: endedTurn, message, reply, epoch, reason }) {
      state.started ??= { event: { type: "turn.started", ...of, turn: endedTurn, message, reply } };
      const content = reply.content;
      let { attempt } = state;
      if (!attempt || attempt.epoch !== epoch || textOf(attempt) !== content) {
        // A same epoch with other text would break the tiles of I6: adopt under the next number.
        const isSameEpoch = attempt?.epoch === epoch;
        attempt = newAttempt(isSameEpoch ? epoch + 1 : epoch, reason, reply.character_id ?? "");
        for (const piece of pieces(content)) push(attempt, piece);
        state.attempt = attempt;
      }
      state.closing = closingFrames(of, endedTurn, reply, attempt);
      announceStart();
      announceEnd();
      wake();
    },
    isEnded: () => state.closing !== null,
    breakOff() {
      state.breaks++;
      wake();
    },
    ended,
    read: (from) => createReader(of, placeAt(from), state, news),
  };
  return log;
}

/** A log of a turn that has ended, from what is stored: the reply serves replay, cut anew. */
export function storedTurnLog(state: {
  turn: Turn;
  message: Message;
  reply: Message;
  epoch: number;
}): TurnLog {
  const log = createTurnLog({ id: state.turn.id, conversationId: state.turn.conversation_id });
  log.end({ ...state, reason: "restarted" });
  return log;
}

function closingFrames(
  of: { conversation_id: string; turn_id: string },
  turn: Turn,
  reply: Message,
  attempt: Attempt,
): TurnFrame[] {
  const frames: TurnFrame[] = [];
  if (reply.content !== "") {
    frames.push({
      event: {
        type: "reply.end",
        ...of,
        epoch: attempt.epoch,
        message: reply,
        usage: reply.usage ?? {
          prompt_tokens: 0,
          completion_tokens: reply.token_count,
          total_tokens: reply.token_count,
          estimated: true,
        },
        finish_reason: reply.finish_reason ?? "error",
        cursor: cursorAt(attempt.prefix, attempt.length),
      },
    });
  }
  if (turn.status === "failed") {
    const problem = turn.problem as ProblemDocument;
    frames.push({ event: { type: "turn.failed", ...of, turn, problem } });
  } else {
    frames.push({
      event: { type: turn.status === "stopped" ? "turn.stopped" : "turn.completed", ...of, turn },
    });
  }
  return frames;
}

interface LogState {
  started: TurnFrame | null;
  attempt: Attempt | null;
  closing: TurnFrame[] | null;
  /** How often the log has broken off; readers from before the last time are done. */
  breaks: number;
}

/** Where a reader stands. */
interface Place {
  hasStarted: boolean;
  /** The attempt being read; null until its `reply.start` is due. */
  reading: Attempt | null;
  /** What the client was reading before, if it must be told that it is gone. */
  before: StreamPosition | null;
  position: number;
  nextPiece: number;
  nextClosing: number;
  isStartDue: boolean;
}

const placeAt = (from: StreamPosition | null): Place => ({
  hasStarted: false,
  reading: null,
  before: from,
  position: 0,
  nextPiece: 0,
  nextClosing: 0,
  isStartDue: false,
});

function createReader(
  of: { conversation_id: string; turn_id: string },
  at: Place,
  state: LogState,
  news: Set<() => void>,
): ForkingReader {
  const breaksBefore = state.breaks;
  let isDone = at.nextClosing > 0 && at.nextClosing === state.closing?.length;
  let listener: (() => void) | null = null;

  const reset = (attempt: Attempt, reason: ResetReason): TurnFrame => {
    const cursor = cursorAt(attempt.prefix, 0);
    return { event: { type: "reply.reset", ...of, epoch: attempt.epoch, reason, cursor } };
  };

  /** Takes up an attempt: from the cursor where it fits, else from 0 with a reset. */
  const enter = (attempt: Attempt): TurnFrame | null => {
    at.reading = attempt;
    at.isStartDue = true;
    at.position = 0;
    at.nextPiece = 0;
    const cursor = at.before;
    at.before = null;
    if (!cursor) return null;
    if (cursor.turnId !== of.turn_id || cursor.epoch > attempt.epoch) return reset(attempt, "unknown_cursor");
    if (cursor.epoch < attempt.epoch) return reset(attempt, attempt.reason);
    if (cursor.offset > attempt.length || splitsPair(attempt, cursor.offset)) {
      return reset(attempt, "unknown_cursor");
    }
    at.position = cursor.offset;
    at.nextPiece = pieceAt(attempt, at.position);
    return null;
  };

  const start = (attempt: Attempt): TurnFrame => {
    const reply = (state.started as TurnFrame).event as Extract<TurnEvent, { type: "turn.started" }>;
    return {
      event: {
        type: "reply.start",
        ...of,
        epoch: attempt.epoch,
        message_id: reply.reply.id,
        character_id: attempt.characterId,
      },
    };
  };

  const delta = (attempt: Attempt): TurnFrame => {
    const from = attempt.offsets[at.nextPiece] as number;
    const piece = attempt.texts[at.nextPiece] as string;
    at.nextPiece++;
    const offset = at.position;
    at.position = from + piece.length;
    const isShared = offset === from && at.nextPiece === attempt.texts.length;
    if (isShared && attempt.newest) return attempt.newest;
    const text = offset === from ? piece : piece.slice(offset - from);
    const cursor = cursorAt(attempt.prefix, at.position);
    const frame: TurnFrame = {
      event: {
        type: "reply.delta",
        conversation_id: of.conversation_id,
        turn_id: of.turn_id,
        epoch: attempt.epoch,
        offset,
        text,
        cursor,
      },
    };
    if (isShared) attempt.newest = frame;
    return frame;
  };

  const closingFrame = (closing: TurnFrame[]): TurnFrame => {
    const frame = closing[at.nextClosing++] as TurnFrame;
    isDone = at.nextClosing === closing.length;
    if (isDone) news.delete(wakeMe);
    return frame;
  };

  const isBrokenOff = () => state.breaks !== breaksBefore;

  const next = (): TurnFrame | null => {
    if (isDone || isBrokenOff() || !state.started) return null;
    if (!at.hasStarted) {
      at.hasStarted = true;
      return state.started;
    }
    const { attempt } = state;
    if (!attempt) return null;
    if (at.reading !== attempt) {
      if (at.reading) at.before = { turnId: of.turn_id, epoch: at.reading.epoch, offset: at.position };
      const announced = enter(attempt);
      if (announced) return announced;
    }
    if (at.isStartDue) {
      at.isStartDue = false;
      // A turn that ended with nothing said has no reply to start.
      if (attempt.length > 0 || !state.closing) return start(attempt);
    }
    if (at.nextPiece < attempt.texts.length) return delta(attempt);
    return state.closing ? closingFrame(state.closing) : null;
  };

  const wakeMe = () => listener?.();
  return {
    next,
    isDone: () => isDone || isBrokenOff(),
    isBrokenOff,
    fork: () => createReader(of, { ...at }, state, news),
    onNews(run) {
      listener = run;
      news.add(wakeMe);
    },
    close() {
      news.delete(wakeMe);
    },
  };
}

/** The piece that holds the unit at `position`; past the last where `position` is the end. */
function pieceAt(attempt: Attempt, position: number): number {
  let low = 0;
  let high = attempt.texts.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    const end = (attempt.offsets[middle] as number) + (attempt.texts[middle] as string).length;
    if (end <= position) low = middle + 1;
    else high = middle;
  }
  return low;
}

function splitsPair(attempt: Attempt, offset: number): boolean {
  const index = pieceAt(attempt, offset);
  const piece = attempt.texts[index];
  if (piece === undefined) return false;
  const inside = offset - (attempt.offsets[index] as number);
  const code = piece.charCodeAt(inside);
  return inside > 0 && code >= 0xdc00 && code <= 0xdfff;
}

/** Cuts text for replay, never inside a surrogate pair. */
function* pieces(text: string): Generator<string> {
  for (let at = 0; at < text.length; ) {
    let end = Math.min(at + REPLAY_DELTA_UNITS, text.length);
    const last = text.charCodeAt(end - 1);
    if (end < text.length && last >= 0xd800 && last <= 0xdbff) end--;
    yield text.slice(at, end);
    at = end;
  }
}
