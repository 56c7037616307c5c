import { Problem } from "@parley-chat/sdk/contract/problem";

/** Throws `validation_failed` where a value of a client's own is larger than `bytesMax` as JSON. */
export function checkJsonSize(path: string, value: unknown, bytesMax: number): void {
  if (value !== undefined && Buffer.byteLength(JSON.stringify(value)) > bytesMax) {
    throw Problem.invalid(path, `may hold at most ${bytesMax} bytes of JSON`);
  }
}
