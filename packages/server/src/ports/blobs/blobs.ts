/**
 * Files under the SHA-256 of their content (64 lower-case hex digits): pictures for now. A name is never
 * taken from outside, the same content is kept once, and what is under a name never changes.
 *
 * Whoever stores a blob writes the row that refers to it afterwards, so a kill in between leaves a blob
 * without a row, never a row without a blob; a sweep removes what stays without one.
 * A store that cannot write throws the problem `storage_unavailable`.
 */
export interface Blobs {
  readonly name: string;
  /**
   * Keeps the bytes and resolves with their name once they are durable. The same bytes again change
   * nothing but the time at which they were stored.
   */
  put(bytes: Uint8Array): Promise<string>;
  /** The bytes, or null where there are none under this name, or it is no name. */
  get(hash: string): Promise<Uint8Array | null>;
  /** Names of what was last stored before a time, in no order; a few at a time are in memory. */
  storedBefore(time: number): AsyncIterable<string>;
  /**
   * Removes what was last stored before a time, and says whether it did. One step with `put`: of a put
   * and a removal at the same time, either the put is seen and nothing goes, or it stores the bytes anew.
   */
  removeStoredBefore(hash: string, time: number): Promise<boolean>;
}
