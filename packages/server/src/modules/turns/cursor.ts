/** A place in the stream of a turn: after `offset` UTF-16 code units of attempt `epoch`. */
export interface StreamPosition {
  turnId: string;
  epoch: number;
  offset: number;
}

const CURSOR = /^t([0-9a-f]{32})\.([0-9a-z]{1,8})\.([0-9a-z]{1,8})$/;

/** Everything of a cursor but its offset, so that a stream builds it once for each epoch. */
export const cursorPrefix = (turnId: string, epoch: number): string =>
  `t${turnId.replaceAll("-", "")}.${epoch.toString(36)}.`;

export const cursorAt = (prefix: string, offset: number): string => prefix + offset.toString(36);

/** Reads a cursor back; null where it is malformed. */
export function parseCursor(text: string): StreamPosition | null {
  const match = CURSOR.exec(text);
  if (!match) return null;
  const [, hex, epoch, offset] = match as unknown as [string, string, string, string];
  const turnId = hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
  return { turnId, epoch: Number.parseInt(epoch, 36), offset: Number.parseInt(offset, 36) };
}
