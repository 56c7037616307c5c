import { type Input, type messages, type Output, Problem, type ProblemCode } from "../contract/index.ts";

/** Where unsent messages outlive a reload: `sessionStorage`, `localStorage`, or anything like them. */
export interface UnsentStorage {
  getItem(key: string): string | null;
  setItem(key: string, value: string): void;
  removeItem(key: string): void;
}

export type Unsent = Input<typeof messages.send> & { client_message_id: string };
export type Sent = Output<typeof messages.send>;

const STORAGE_KEY = "parley.unsent";
/** Refusals that pass by themselves; anything else is told to whoever sent. */
const PASSING: ReadonlySet<ProblemCode> = new Set(["draining", "storage_unavailable", "overloaded"]);
const RETRY_MS = 1_000;

/** A delivery came to no answer: the message may or may not have been taken. */
export class Undelivered extends Error {}

export interface OutboxUses {
  /** Resolves with the answer; rejects with a `Problem`, or with `Undelivered`. */
  deliver(message: Unsent): Promise<Sent>;
  storage: UnsentStorage | undefined;
  /** A message that an earlier page left behind was refused. */
  onRefused(message: Unsent, problem: Problem): void;
}

interface Entry {
  message: Unsent;
  resolve(answer: Sent): void;
  reject(problem: Problem): void;
}

/**
 * Messages that were not acknowledged yet. Each keeps its client id over every try, so that it is stored
 * once; those of one conversation go one after another.
 */
export interface Outbox {
  readonly unsent: readonly Unsent[];
  send(message: Unsent): Promise<Sent>;
  /** There is a way to the server again. */
  flush(): void;
  close(): void;
}

export function createOutbox({ deliver, storage, onRefused }: OutboxUses): Outbox {
  const lanes = new Map<string, Entry[]>();
  const busy = new Set<string>();
  let isClosed = false;

  const all = () => [...lanes.values()].flat().map(({ message }) => message);
  const save = () => {
    const unsent = all();
    try {
      if (unsent.length === 0) storage?.removeItem(STORAGE_KEY);
      else storage?.setItem(STORAGE_KEY, JSON.stringify(unsent));
    } catch {
      // A storage that is full or forbidden costs only what a reload would have kept.
    }
  };

  const add = (entry: Entry) => {
    const lane = lanes.get(entry.message.conversation_id);
    if (lane) lane.push(entry);
    else lanes.set(entry.message.conversation_id, [entry]);
  };

  const settle = (conversationId: string) => {
    const lane = lanes.get(conversationId);
    lane?.shift();
    if (lane?.length === 0) lanes.delete(conversationId);
    save();
  };

  async function work(conversationId: string): Promise<void> {
    if (busy.has(conversationId)) return;
    busy.add(conversationId);
    try {
      for (let first = lanes.get(conversationId)?.[0]; first && !isClosed; ) {
        const isSettled = await tryOne(conversationId, first);
        if (!isSettled) return;
        first = lanes.get(conversationId)?.[0];
      }
    } finally {
      busy.delete(conversationId);
    }
  }

  /** False where it must wait for the next flush. */
  async function tryOne(conversationId: string, { message, resolve, reject }: Entry): Promise<boolean> {
    try {
      const answer = await deliver(message);
      settle(conversationId);
      resolve(answer);
      return true;
    } catch (error) {
      if (!(error instanceof Problem)) return false;
      if (PASSING.has(error.code)) {
        setTimeout(() => void work(conversationId), (error.retryAfterS ?? 0) * 1_000 + RETRY_MS);
        return false;
      }
      settle(conversationId);
      reject(error);
      return true;
    }
  }

  for (const message of stored(storage)) {
    add({ message, resolve: () => {}, reject: (problem) => onRefused(message, problem) });
  }

  return {
    get unsent() {
      return all();
    },
    send(message) {
      const answer = new Promise<Sent>((resolve, reject) => add({ message, resolve, reject }));
      save();
      void work(message.conversation_id);
      return answer;
    },
    flush() {
      for (const conversationId of lanes.keys()) void work(conversationId);
    },
    close() {
      isClosed = true;
    },
  };
}

function stored(storage: UnsentStorage | undefined): Unsent[] {
  try {
    const value: unknown = JSON.parse(storage?.getItem(STORAGE_KEY) ?? "[]");
    return Array.isArray(value) ? (value as Unsent[]) : [];
  } catch {
    return [];
  }
}
