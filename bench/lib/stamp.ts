/** What stands in a piece of text so that its reader can tell whether one is missing and how long it took. */

const NUMBER_DIGITS = 7;
const TIME_DIGITS = 16;
const LENGTH = NUMBER_DIGITS + 1 + TIME_DIGITS;

/** A place for a stamp. */
export const NO_STAMP = `${"0".repeat(NUMBER_DIGITS)}:${"0".repeat(TIME_DIGITS)}`;

/** By the clock that all processes of a machine share. */
const nowUs = (): number => Number(process.hrtime.bigint() / 1_000n);

export const stamp = (number: number): string =>
  `${String(number).padStart(NUMBER_DIGITS, "0")}:${String(nowUs()).padStart(TIME_DIGITS, "0")}`;

/** The stamp whose end is at `end`: which piece it is, and how many milliseconds ago it was written. */
export function readStamp(read: Buffer, end: number): { number: number; tookMs: number } {
  const text = read.toString("latin1", end - LENGTH, end);
  const writtenUs = Number(text.slice(NUMBER_DIGITS + 1));
  return { number: Number(text.slice(0, NUMBER_DIGITS)), tookMs: (nowUs() - writtenUs) / 1_000 };
}
