const LF = 10;
const CR = 13;
const COLON = 58;
const SPACE = 32;

export const EVENT_BYTES_MAX = 1024 * 1024;

/** An event is larger than the reader takes. What came before it was given out. */
export class EventTooLarge extends Error {
  constructor(bytesMax: number) {
    super(`an event has more than ${bytesMax} bytes`);
  }
}

export interface EventReaderOptions {
  /** One whole event: its data lines joined by line feeds, and its type ("message" where it names none). */
  onEvent(data: string, type: string): void;
  /** Bytes that the data lines of one event may have, and any other line. Default 1 MiB. */
  eventBytesMax?: number;
}

export interface EventReader {
  /**
   * Takes the next bytes, cut anywhere, and calls `onEvent` for every event that is whole now. A last
   * event without its blank line is never given out, as the specification has it.
   * @throws EventTooLarge, and whatever `onEvent` throws; the reader is of no use after that
   */
  push(chunk: Buffer): void;
}

/**
 * Reads Server-Sent Events from bytes (WHATWG HTML, 9.2.6): CR, LF and CRLF in any mix, a leading BOM,
 * comments, data over several lines. Lines are found among bytes and only whole lines are decoded, so
 * characters may be cut anywhere. Whole lines inside a chunk are not copied; what is left of a chunk is
 * kept in one buffer that doubles, so that many tiny chunks cost no more than one large one.
 */
export function createEventReader({
  onEvent,
  eventBytesMax = EVENT_BYTES_MAX,
}: EventReaderOptions): EventReader {
  let rest = Buffer.alloc(0);
  let restLength = 0;
  let eventBytes = 0;
  let data: string | null = null;
  let type = "";
  let isFirstLine = true;
  let isLfSkipped = false;

  const keep = (chunk: Buffer, start: number) => {
    const length = chunk.length - start;
    if (eventBytes + restLength + length > eventBytesMax) throw new EventTooLarge(eventBytesMax);
    if (restLength + length > rest.length) {
      const larger = Buffer.allocUnsafe(Math.max(512, 2 * rest.length, restLength + length));
      rest.copy(larger, 0, 0, restLength);
      rest = larger;
    }
    chunk.copy(rest, restLength, start);
    restLength += length;
  };

  /** Ends the line that the kept bytes began. */
  const endKept = (chunk: Buffer, end: number) => {
    keep(chunk.subarray(0, end), 0);
    const length = restLength;
    restLength = 0;
    line(rest, 0, length);
  };

  const line = (bytes: Buffer, from: number, end: number) => {
    let start = from;
    if (isFirstLine) {
      isFirstLine = false;
      if (
        bytes[start] === 0xef &&
        bytes[start + 1] === 0xbb &&
        bytes[start + 2] === 0xbf &&
        end - start >= 3
      ) {
        start += 3;
      }
    }
    if (start === end) return dispatch();
    if (isField(bytes, start, end, "data")) {
      eventBytes += end - start;
      if (eventBytes > eventBytesMax) throw new EventTooLarge(eventBytesMax);
      const value = textBehind(bytes, start + 4, end);
      data = data === null ? value : `${data}\n${value}`;
    } else if (isField(bytes, start, end, "event")) {
      type = textBehind(bytes, start + 5, end);
    }
  };

  const dispatch = () => {
    const whole = data;
    const named = type;
    data = null;
    type = "";
    eventBytes = 0;
    if (whole !== null) onEvent(whole, named === "" ? "message" : named);
  };

  return {
    push(chunk) {
      let start = 0;
      if (isLfSkipped && chunk.length > 0) {
        isLfSkipped = false;
        if (chunk[0] === LF) start = 1;
      }
      // Nearly no server sends CR, so one fast scan spares the look-out for it in every line.
      let cr = chunk.indexOf(CR, start);
      let lf = chunk.indexOf(LF, start);
      while (lf !== -1 || cr !== -1) {
        const end = cr === -1 ? lf : lf === -1 ? cr : Math.min(lf, cr);
        if (restLength > 0) endKept(chunk.subarray(start), end - start);
        else line(chunk, start, end);
        start = end + 1;
        if (end === cr) {
          if (start === chunk.length) isLfSkipped = true;
          else if (chunk[start] === LF) start++;
          cr = chunk.indexOf(CR, start);
        }
        if (lf !== -1 && lf < start) lf = chunk.indexOf(LF, start);
      }
      if (start < chunk.length) keep(chunk, start);
    },
  };
}

/** Whether a line's field has this name; a line without a colon is a field without a value. */
function isField(bytes: Buffer, start: number, end: number, name: string): boolean {
  const after = start + name.length;
  if (after > end || (after < end && bytes[after] !== COLON)) return false;
  for (let i = 0; i < name.length; i++) {
    if (bytes[start + i] !== name.charCodeAt(i)) return false;
  }
  return true;
}

/** What stands behind the colon, without the one space that may lead it. */
function textBehind(bytes: Buffer, colon: number, end: number): string {
  let start = colon + 1;
  if (start < end && bytes[start] === SPACE) start++;
  return start < end ? bytes.toString("utf8", start, end) : "";
}
