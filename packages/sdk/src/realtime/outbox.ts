import { type Input, type messages, type Output, Problem } from "../contract/index.ts";
import { retryInMs } from "./passing.ts";

/** Where unsent messages outlive a reload: `sessionStorage`, `localStorage`, or anything like them. */
export interface UnsentStorage {
  getItem(key: string): string | null;
  setItem(key: string, value: string): void;
  removeItem(key: string): void;
}

export type Unsent = Input<typeof messages.send> & { client_message_id: string };
export type Sent = Output<typeof messages.send>;

/** A delivery came to no answer: the message may or may not have been taken. */
export class Undelivered extends Error {}

export interface OutboxUses {
  /** Resolves with the answer; rejects with a `Problem`, or with `Undelivered`. */
  deliver(message: Unsent): Promise<Sent>;
  storage: UnsentStorage | undefined;
  /** Under which key the storage keeps them: one for each server and person. */
  storageKey: string;
  /** A message that an earlier page left behind was refused. */
  onRefused(message: Unsent, problem: Problem): void;
}

interface Entry {
  message: Unsent;
  resolve(answer: Sent): void;
  reject(error: Problem | Undelivered): void;
}

type Outcome = "settled" | "undelivered" | "later";

/**
 * Messages that were not acknowledged yet. Each keeps its client id over every try, so that it is stored
 * once; those of one conversation go one after another.
 */
export interface Outbox {
  readonly unsent: readonly Unsent[];
  send(message: Unsent): Promise<Sent>;
  /** There is a way to the server again; a delivery that is under way and fails was of the old one. */
  flush(): void;
  /** Tells whoever waits that no answer comes any more. What is stored stays, for the next page. */
  close(reason: string): void;
}

export function createOutbox({ deliver, storage, storageKey, onRefused }: OutboxUses): Outbox {
  const lanes = new Map<string, Entry[]>();
  const busy = new Set<string>();
  /** Busy lanes that were flushed meanwhile. */
  const again = new Set<string>();
  const retries = new Map<string, ReturnType<typeof setTimeout>>();
  let closedFor: string | null = null;

  const all = () => [...lanes.values()].flat().map(({ message }) => message);
  const save = () => {
    // The storage may be the next page's by now; what it sends again is answered again.
    if (closedFor !== null) return;
    const unsent = all();
    try {
      if (unsent.length === 0) storage?.removeItem(storageKey);
      else storage?.setItem(storageKey, JSON.stringify(unsent));
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
      for (let first = lanes.get(conversationId)?.[0]; first && closedFor === null; ) {
        again.delete(conversationId);
        const outcome = await tryOne(conversationId, first);
        if (outcome === "later" || (outcome === "undelivered" && !again.has(conversationId))) return;
        first = lanes.get(conversationId)?.[0];
      }
    } finally {
      busy.delete(conversationId);
      again.delete(conversationId);
    }
  }

  function workLater(conversationId: string, waitMs: number): void {
    if (closedFor !== null) return;
    clearTimeout(retries.get(conversationId));
    const retry = () => {
      retries.delete(conversationId);
      void work(conversationId);
    };
    retries.set(conversationId, setTimeout(retry, waitMs));
  }

  /** `undelivered` waits for the next flush; `later` comes by itself. */
  async function tryOne(conversationId: string, { message, resolve, reject }: Entry): Promise<Outcome> {
    try {
      const answer = await deliver(message);
      settle(conversationId);
      resolve(answer);
      return "settled";
    } catch (error) {
      if (!(error instanceof Problem)) return "undelivered";
      const waitMs = retryInMs(error);
      if (waitMs !== null) {
        workLater(conversationId, waitMs);
        return "later";
      }
      settle(conversationId);
      reject(error);
      return "settled";
    }
  }

  for (const message of stored(storage, storageKey)) {
    const reject = (error: Error) => {
      if (error instanceof Problem) onRefused(message, error);
    };
    add({ message, resolve: () => {}, reject });
  }

  return {
    get unsent() {
      return all();
    },
    send(message) {
      if (closedFor !== null) return Promise.reject(new Undelivered(closedFor));
      const answer = new Promise<Sent>((resolve, reject) => add({ message, resolve, reject }));
      save();
      void work(message.conversation_id);
      return answer;
    },
    flush() {
      for (const conversationId of lanes.keys()) {
        if (busy.has(conversationId)) again.add(conversationId);
        else void work(conversationId);
      }
    },
    close(reason) {
      if (closedFor !== null) return;
      closedFor = reason;
      for (const retry of retries.values()) clearTimeout(retry);
      retries.clear();
      for (const { reject } of [...lanes.values()].flat()) reject(new Undelivered(reason));
    },
  };
}

function stored(storage: UnsentStorage | undefined, key: string): Unsent[] {
  try {
    const value: unknown = JSON.parse(storage?.getItem(key) ?? "[]");
    return Array.isArray(value) ? value.filter(isUnsent) : [];
  } catch {
    return [];
  }
}

/** Whatever else writes to that storage must not take the page with it. */
function isUnsent(value: unknown): value is Unsent {
  if (typeof value !== "object" || value === null) return false;
  const { conversation_id, content, client_message_id } = value as Record<string, unknown>;
  return [conversation_id, content, client_message_id].every((field) => typeof field === "string");
}
