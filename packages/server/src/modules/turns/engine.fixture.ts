import type { Message, Principal, Turn, TurnEvent } from "@parley-chat/sdk/contract";
import { afterEach } from "vitest";
import { type ManualClock, manualClock } from "../../kit/clock.ts";
import type { LlmEnd } from "../../ports/llm/llm.ts";
import {
  CHARACTER,
  makeConversation,
  NOON,
  send,
  sent,
  USER,
} from "../../ports/message-store/conformance/wishes.ts";
import type { MessageStore } from "../../ports/message-store/message-store.ts";
import { createSqliteMessageStore } from "../../ports/message-store/sqlite.ts";
import type { TurnReader } from "./turn-log.ts";
import type { TurnUses } from "./turn-uses.ts";
import { createTurns, type Turns } from "./turns.ts";

/** One call to the model of the tests, which says and ends what it is told to. */
export interface ModelCall {
  say(text: string): void;
  end(end?: LlmEnd): void;
  signal: AbortSignal;
}

export interface Engine {
  turns: Turns;
  calls: ModelCall[];
  troubles: unknown[];
  /** Stores a send and hands it on, as `messages` does, unless told to claim nothing with it. */
  ask(
    conversationId?: string,
    how?: { isUnclaimed: boolean },
  ): Promise<{ conversationId: string; turn: Turn; reply: Message }>;
}

export interface Rig extends Engine {
  store: MessageStore;
  clock: ManualClock;
  /** Another process on the same store. */
  neighbour(): Engine;
}

const echo = {
  name: "Echo",
  nickname: "",
  description: "Echo repeats.",
  personality: "",
  scenario: "",
  mes_example: "",
  system_prompt: "",
  post_history_instructions: "",
};

const open: MessageStore[] = [];
afterEach(async () => {
  for (const store of open.splice(0)) await store.close();
});

/** The engine on a real store in memory, with a clock that tests move and a model that waits for them. */
export function rig(
  options: { wrap?(store: MessageStore): MessageStore; uses?: Partial<TurnUses> } = {},
): Rig {
  const clock = manualClock(NOON);
  const store = createSqliteMessageStore({ path: ":memory:" });
  open.push(store);
  const engine = engineOn(options.wrap?.(store) ?? store, clock, { owner: "this", ...options.uses });
  const neighbour = () => engineOn(store, clock, { ...options.uses, owner: "neighbour" });
  return { ...engine, store, clock, neighbour };
}

function engineOn(store: MessageStore, clock: ManualClock, more: Partial<TurnUses>): Engine {
  const calls: ModelCall[] = [];
  const troubles: unknown[] = [];
  const turns = createTurns({
    store,
    clock,
    owner: "this",
    isSoleProcess: true,
    characterForTurn: async () => ({ ...echo, version: 1, isDeleted: false }),
    characterVersion: async () => 1,
    displayName: async () => "Ann",
    isOwner: async () => false,
    chooseModel: async () => ({ llm: modelOf(calls), model: "m", contextTokens: 8_000 }),
    estimateTokens: (text) => Math.ceil(text.length / 4),
    calibration: { learn() {} },
    retryBudget: { tryTake: () => true, succeeded() {} },
    random: () => 0,
    replyTokensMax: 500,
    attemptsMax: 3,
    runningMax: 1_000,
    onActivity() {},
    reports: {
      ended() {},
      firstText() {},
      attemptFailed() {},
      trouble: (_what, cause) => void troubles.push(cause),
    },
    ...more,
  });
  return {
    turns,
    calls,
    troubles,
    async ask(known, { isUnclaimed } = { isUnclaimed: false }) {
      const conversationId = known ?? (await makeConversation(store));
      const wish = send(conversationId, "Hi", { claim: isUnclaimed ? null : turns.claimFor(conversationId) });
      const { turn, reply, claim } = await sent(store, wish);
      turns.accepted({ turnId: turn.id, conversationId, characterId: CHARACTER }, claim);
      return { conversationId, turn, reply };
    },
  };
}

const modelOf = (calls: ModelCall[]): Awaited<ReturnType<TurnUses["chooseModel"]>>["llm"] => ({
  name: "scripted",
  address: null,
  models: async () => [],
  generate: (_request, onText, signal) =>
    new Promise((resolve) => {
      const whole: LlmEnd = { kind: "completed", finishReason: "stop", usage: null };
      const say = (text: string) => {
        if (!signal.aborted) onText(text);
      };
      calls.push({ say, end: (end = whole) => resolve(end), signal });
      signal.addEventListener("abort", () => resolve({ kind: "aborted" }));
    }),
});

export const principal: Principal = {
  userId: USER,
  role: "user",
  scopes: ["chat"],
  credential: { kind: "session", id: "s" },
};

const LOOPS_MAX = 1_000;

/** Lets what is under way go on, without any time passing, until `look` gives something. */
export async function soon<T>(what: string, look: () => T | Promise<T>): Promise<NonNullable<T>> {
  for (let n = 0; n < LOOPS_MAX; n++) {
    const found = await look();
    if (found !== null && found !== undefined && found !== false) return found as NonNullable<T>;
    await new Promise((resolve) => setImmediate(resolve));
  }
  throw new Error(`did not come: ${what}`);
}

export const callOf = (engine: Engine, nth: number): Promise<ModelCall> =>
  soon(`call ${nth} to the model`, () => engine.calls[nth - 1]);

export const endOf = (store: MessageStore, turnId: string): Promise<Turn> =>
  soon(`the outcome of ${turnId}`, async () => {
    const turn = await store.turn(turnId, USER);
    return turn?.ended_at !== undefined && turn;
  }) as Promise<Turn>;

/** All that a reader has to give just now. */
export function read(reader: TurnReader): TurnEvent[] {
  const events: TurnEvent[] = [];
  for (let frame = reader.next(); frame; frame = reader.next()) events.push(frame.event);
  return events;
}

/** What a reader gives until it is done. */
export async function allOf(reader: TurnReader): Promise<TurnEvent[]> {
  const events: TurnEvent[] = [];
  await soon("the end of a stream", () => events.push(...read(reader)) >= 0 && reader.isDone());
  return events;
}

/** What the events say, in short: types, with the text of deltas. */
export const story = (events: readonly TurnEvent[]): string[] =>
  events.map((event) => (event.type === "reply.delta" ? event.text : event.type));
