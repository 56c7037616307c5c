/**
 * News to whoever listens now: at most once, not stored, in order per publisher and channel. What must
 * not be lost is read from a store; this only saves the wait. Payloads are JSON values of at most
 * 64 KiB. In one process a listener runs before `publish` returns; a listener that throws harms no
 * other and not the publisher.
 */
export interface PubSub {
  readonly name: string;
  publish(channel: string, payload: unknown): void;
  /** Returns the function that ends the subscription. */
  subscribe(channel: string, listener: (payload: unknown) => void): () => void;
  close(): Promise<void>;
}
