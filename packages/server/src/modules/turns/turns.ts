import type { Api, CallContext, Principal, SignedInContext, Turn, turns } from "@parley-chat/sdk/contract";
import { Problem } from "@parley-chat/sdk/contract/problem";
import { failpoint } from "../../kit/failpoint.ts";
import { isId } from "../../kit/ids.ts";
import type { Claim, CompleteResult, OpenTurn, Outcome } from "../../ports/message-store/message-store.ts";
import { parseCursor, type StreamPosition } from "./cursor.ts";
import { createLanes, type LaneTurn } from "./lanes.ts";
import { type CutReason, runTurn } from "./runner.ts";
import { createTurnLog, storedTurnLog, type TurnLog, type TurnReader } from "./turn-log.ts";
import type { TurnUses } from "./turn-uses.ts";
import { createWatchers, type TurnWatcher } from "./watchers.ts";

/** R3. One timer renews every lease; a claim that is not renewed is free after this. */
const LEASE_MS = 6_000;
const RENEW_EVERY_MS = 2_000;
const SWEEP_EVERY_MS = 1_000;
const OPEN_TURNS_PER_SWEEP = 10_000;
const STOP_WAIT_MS = 2_000;
const STORE_RETRY_MS = [100, 250, 500, 1_000, 2_000] as const;

export interface Turns extends Api<typeof turns> {
  /** Reads what is left over from an earlier run and begins. */
  start(): Promise<void>;
  /** A turn was accepted: it takes its place in its conversation's lane. */
  accepted(turn: LaneTurn): void;
  /** Throws `invalid_cursor` where the text cannot be a cursor. */
  checkCursor(after: string): void;
  /** The stream of a turn, from a cursor or from nothing; throws `not_found`, `invalid_cursor`. */
  follow(turnId: string, after: string | null, principal: Principal): Promise<TurnReader>;
  /**
   * The rest of the turn that a cursor points into; the reader is null where that is no turn of this
   * conversation. Throws `invalid_cursor`.
   */
  resume(
    conversationId: string,
    after: string,
    principal: Principal,
  ): Promise<{ position: StreamPosition; reader: TurnReader | null }>;
  /** Turns of a conversation that have started and not ended. Whose it is was checked by the caller. */
  underWay(conversationId: string): readonly TurnLog[];
  /**
   * Hears of each turn that starts from now on; one that is stopped while it waits starts and ends at
   * once. Returns the function that ends it.
   */
  watch(conversationId: string, watcher: TurnWatcher): () => void;
  /** Stops turns of a conversation that was deleted; resolves when they have ended, or after 2 s. */
  stopAll(conversationId: string, turnIds: readonly string[]): Promise<void>;
  /** Lets running turns end for at most `timeoutMs`, then hands back what still runs. */
  drain(timeoutMs: number): Promise<void>;
  readonly running: number;
  readonly waiting: number;
}

interface Running {
  /** Null until the claim is stored. */
  claim: { turnId: string; epoch: number } | null;
  cut: AbortController;
}

/**
 * The turn engine: takes accepted turns one by one for each conversation, has each reply made, and
 * stores exactly one outcome. The store is the authority; everything here is lost in a kill and is
 * found again by `start`.
 */
export function createTurns(uses: TurnUses): Turns {
  const { store, clock } = uses;
  const logs = new Map<string, TurnLog>();
  const running = new Map<string, Running>();
  const lanes = createLanes({ runningMax: uses.runningMax, run });
  const cancels: (() => void)[] = [];
  const watchers = createWatchers();
  let isSweeping = false;
  let isDraining = false;

  const logOf = (turn: { turnId: string; conversationId: string }): TurnLog => {
    const known = logs.get(turn.turnId);
    if (known) return known;
    const log = createTurnLog({
      id: turn.turnId,
      conversationId: turn.conversationId,
      onStarted: watchers.started,
    });
    logs.set(turn.turnId, log);
    return log;
  };

  const claim = (turnId: string, countsAsAttempt: boolean, characterVersion: number | null) => {
    const at = clock.now();
    const leaseUntil = at + LEASE_MS;
    const { owner, isSoleProcess } = uses;
    return store.claim({ turnId, owner, isSoleProcess, countsAsAttempt, characterVersion, at, leaseUntil });
  };

  async function run(turn: LaneTurn): Promise<void> {
    const log = logOf(turn);
    const entry: Running = { claim: null, cut: new AbortController() };
    running.set(turn.turnId, entry);
    try {
      const version = await uses.characterVersion(turn.characterId);
      const claimed = await untilStored(() => claim(turn.turnId, true, version));
      if (claimed) await runClaimed(claimed, log, entry);
      else await endFromStore(turn.turnId, log);
    } catch (error) {
      // The sweep finds the turn again: nothing of it is lost.
      uses.reports.trouble("a turn was interrupted", error);
    } finally {
      if (running.get(turn.turnId) === entry) running.delete(turn.turnId);
      // A log that has not ended has readers who wait for what the sweep begins.
      if (log.isEnded()) logs.delete(turn.turnId);
    }
  }

  async function runClaimed(claimed: Claim, log: TurnLog, entry: Running): Promise<void> {
    const turnId = claimed.turn.id;
    const startedMono = clock.monotonic();
    entry.claim = { turnId, epoch: claimed.epoch };
    uses.onActivity(log.conversationId, claimed.userId);
    if (isDraining) entry.cut.abort("drain" satisfies CutReason);
    const onEpoch = (epoch: number) => {
      entry.claim = { turnId, epoch };
    };
    const result = await runTurn(uses, claimed, log, entry.cut.signal, onEpoch);
    if (result.kind === "handed_back") return;
    const completed = await untilStored(() => store.complete(turnId, result.epoch, result.outcome));
    publish(claimed, log, completed, result.outcome, clock.monotonic() - startedMono);
  }

  function publish(
    claimed: Claim,
    log: TurnLog,
    completed: CompleteResult,
    outcome: Outcome,
    durationMs: number,
  ): void {
    if (completed.kind === "fenced") return;
    const { turn, reply, epoch } = completed;
    const reason = completed.kind === "already" ? "adopted" : "restarted";
    log.end({ turn, message: claimed.message, reply, epoch, reason });
    uses.onActivity(log.conversationId, claimed.userId);
    uses.reports.ended({ turnId: turn.id, outcome, durationMs });
  }

  /** A turn that could not be claimed has ended elsewhere, or waits for another. */
  async function endFromStore(turnId: string, log: TurnLog): Promise<void> {
    const state = await store.turnState(turnId, null);
    if (state?.turn.ended_at) log.end({ ...state, reason: "adopted" });
  }

  /** Storage that refuses for a while delays an outcome, it does not lose it. */
  async function untilStored<T>(work: () => Promise<T>): Promise<T> {
    for (let tries = 0; ; tries++) {
      try {
        return await work();
      } catch (error) {
        if (!isPassing(error) || isDraining) throw error;
        const waitMs = STORE_RETRY_MS[Math.min(tries, STORE_RETRY_MS.length - 1)] as number;
        await new Promise<void>((resolve) => void clock.after(waitMs, resolve));
      }
    }
  }

  async function endQueued(turnId: string, log: TurnLog): Promise<void> {
    const claimed = await claim(turnId, false, null);
    if (!claimed) return;
    const stopped = AbortSignal.abort("stop" satisfies CutReason);
    const result = await runTurn(uses, claimed, log, stopped, () => {});
    if (result.kind !== "outcome") return;
    const completed = await store.complete(turnId, result.epoch, result.outcome);
    publish(claimed, log, completed, result.outcome, 0);
  }

  /** Ends a turn here, whatever it is doing. */
  async function stopHere(turn: { turnId: string; conversationId: string }): Promise<void> {
    failpoint("k17");
    const current = running.get(turn.turnId);
    if (current) {
      current.cut.abort("stop" satisfies CutReason);
      return;
    }
    const log = logOf(turn);
    lanes.remove({ ...turn, characterId: "" });
    try {
      await endQueued(turn.turnId, log);
    } finally {
      if (log.isEnded()) logs.delete(turn.turnId);
    }
  }

  async function sweep(): Promise<void> {
    if (isSweeping || isDraining) return;
    isSweeping = true;
    try {
      await store.repair();
      for (const open of await store.openTurns(OPEN_TURNS_PER_SWEEP)) adopt(open);
    } catch (error) {
      if (Problem.from(error).code !== "storage_unavailable") uses.reports.trouble("a sweep failed", error);
    } finally {
      isSweeping = false;
    }
  }

  const adopt = (open: OpenTurn) => {
    if (lanes.has(open.turnId)) return;
    logOf(open);
    lanes.add(open);
  };

  async function renew(): Promise<void> {
    const held = [...running.values()].flatMap((entry) => entry.claim ?? []);
    if (held.length === 0) return;
    try {
      await store.renew(held, clock.now() + LEASE_MS);
    } catch {
      // A lease that cannot be renewed is another's to take; the epoch guards what we would store.
    }
  }

  const requireTurn = async (turnId: string, context: CallContext): Promise<Turn> => {
    const turn = isId(turnId)
      ? await store.turn(turnId, (context as SignedInContext).principal.userId)
      : null;
    if (!turn) throw new Problem("not_found", "There is no such turn.");
    return turn;
  };

  async function follow(turnId: string, after: string | null, principal: Principal): Promise<TurnReader> {
    const from = after === null ? null : readCursor(after);
    const turn = isId(turnId) ? await store.turn(turnId, principal.userId) : null;
    if (!turn) throw new Problem("not_found", "There is no such turn.");
    // The log first, the state after it: a turn that ends in between ends this very log.
    const hadLog = logs.has(turnId);
    const log = logOf({ turnId, conversationId: turn.conversation_id });
    const state = await store.turnState(turnId, principal.userId);
    if (state && !state.turn.ended_at) return log.read(from);
    if (!hadLog) logs.delete(turnId);
    if (log.isEnded()) return log.read(from);
    if (!state) throw new Problem("not_found", "There is no such turn.");
    return storedTurnLog(state).read(from);
  }

  return {
    get: ({ turn_id }, context) => requireTurn(turn_id, context),

    async stop({ turn_id }, context) {
      const { userId } = context.principal;
      const turn = await requireTurn(turn_id, context);
      if (turn.ended_at) return turn;
      const wished = await store.requestStop(turn_id, userId, clock.now());
      if (wished?.ended_at) return wished;
      const log = logs.get(turn_id);
      await stopHere({ turnId: turn_id, conversationId: turn.conversation_id });
      if (log) await within(clock, STOP_WAIT_MS, log.ended);
      return requireTurn(turn_id, context);
    },

    async start() {
      await sweep();
      cancels.push(clock.every(SWEEP_EVERY_MS, () => void sweep()));
      cancels.push(clock.every(RENEW_EVERY_MS, () => void renew()));
    },

    accepted(turn) {
      logOf(turn);
      lanes.add(turn);
    },

    checkCursor: (after) => void readCursor(after),

    follow,

    async resume(conversationId, after, principal) {
      const position = readCursor(after);
      const turn = await store.turn(position.turnId, principal.userId);
      const isHere = turn?.conversation_id === conversationId;
      return { position, reader: isHere ? await follow(position.turnId, after, principal) : null };
    },

    underWay: watchers.underWay,
    watch: watchers.watch,

    async stopAll(conversationId, turnIds) {
      await Promise.all(
        turnIds.map(async (turnId) => {
          const log = logs.get(turnId);
          await stopHere({ turnId, conversationId });
          if (log) await within(clock, STOP_WAIT_MS, log.ended);
        }),
      );
    },

    async drain(timeoutMs) {
      lanes.pause();
      for (const cancel of cancels.splice(0)) cancel();
      await within(clock, timeoutMs, lanes.idle());
      isDraining = true;
      for (const { cut } of running.values()) cut.abort("drain" satisfies CutReason);
      await within(clock, STOP_WAIT_MS, lanes.idle());
    },

    get running() {
      return lanes.running;
    },
    get waiting() {
      return lanes.waiting;
    },
  };
}

/** The store takes nothing just now; what waits is not lost by it. */
const isPassing = (error: unknown) =>
  ["storage_unavailable", "overloaded"].includes(Problem.from(error).code);

function readCursor(after: string): StreamPosition {
  const position = parseCursor(after);
  if (position) return position;
  throw new Problem("invalid_cursor", "The cursor is malformed. Take it from an event of this turn.", {
    errors: [{ path: "after", message: "must be a cursor of an event" }],
  });
}

const within = (clock: TurnUses["clock"], ms: number, what: Promise<void>): Promise<void> =>
  new Promise((resolve) => {
    const cancel = clock.after(ms, resolve);
    void what.then(() => {
      cancel();
      resolve();
    });
  });
