import type { Call } from "./calls.ts";

const ID = /[0-9a-f]{8}-[0-9a-f]{4}-[78][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}/g;

/** When each id first left by a socket. */
export function departures(calls: readonly Call[]): Map<string, number> {
  const left = new Map<string, number>();
  for (const { isSocket, data, from } of calls) {
    if (!isSocket) continue;
    for (const [id] of data.toString("latin1").matchAll(ID)) if (!left.has(id)) left.set(id, from);
  }
  return left;
}

export const isSync = ({ name, result }: Call) => (name === "fsync" || name === "fdatasync") && result === 0;

const isLog = ({ path }: Call) => path.endsWith(".db-wal");
const FRAME_HEAD_BYTES = 24;
/** A frame's head says how long the file is after it, and so that it ends a transaction (https://sqlite.org/fileformat2.html#walformat). */
const endsTransaction = ({ data }: Call) => data.length === FRAME_HEAD_BYTES && data.readUInt32BE(4) !== 0;

/**
 * The ids among these that left by a socket although a sync of the log that began after the whole of their
 * transaction was written had not returned yet; and those that were written to no log at all.
 */
export function unsyncedAcks(calls: readonly Call[], ids: readonly string[]): string[] {
  const left = departures(calls);
  const syncedAt = new Map<string, number>();
  for (const path of new Set(calls.filter(isLog).map((call) => call.path))) {
    const ofLog = calls.filter((call) => call.path === path);
    let waiting: string[] = [];
    let isEnding = false;
    let writtenAt = Number.POSITIVE_INFINITY;
    let written: string[] = [];
    const seen = new Set<string>();
    for (const call of ofLog) {
      if (isSync(call) && call.from > writtenAt) {
        for (const id of written) syncedAt.set(id, Math.min(call.to, syncedAt.get(id) ?? call.to));
        written = [];
      }
      if (!call.name.startsWith("pwrite")) continue;
      if (call.data.length === FRAME_HEAD_BYTES) {
        isEnding = endsTransaction(call);
        continue;
      }
      for (const [id] of call.data.toString("latin1").matchAll(ID)) {
        if (!seen.has(id)) waiting.push(id);
        seen.add(id);
      }
      if (!isEnding) continue;
      written.push(...waiting);
      writtenAt = call.to;
      waiting = [];
      isEnding = false;
    }
  }
  return ids.filter((id) => !((syncedAt.get(id) ?? Number.POSITIVE_INFINITY) < (left.get(id) ?? -1)));
}
