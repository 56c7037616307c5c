import type { Api, CallContext, Principal, SignedInContext, Turn, turns } from "@parley-chat/sdk/contract";
import { Problem } from "@parley-chat/sdk/contract/problem";
import { failpoint } from "../../kit/failpoint.ts";
import { isId } from "../../kit/ids.ts";
import { createPassingMap } from "../../kit/passing-map.ts";
import { recentMap } from "../../kit/recent-map.ts";
import type {
  Claim,
  CompleteResult,
  OpenTurn,
  Outcome,
  TurnState,
} from "../../ports/message-store/message-store.ts";
import { parseCursor, type StreamPosition } from "./cursor.ts";
import { createLanes, type LaneTurn, type TurnPlace } from "./lanes.ts";
import { type CutReason, runTurn } from "./runner.ts";
import { createSweep } from "./sweep.ts";
import { createTurnLog, type ForkingReader, storedTurnLog, type TurnLog } from "./turn-log.ts";
import type { TurnUses } from "./turn-uses.ts";
import { createUnfinished } from "./unfinished.ts";
import { untilStored } from "./until-stored.ts";
import { createWatchers, type TurnWatcher } from "./watchers.ts";

/** R3. One timer renews every lease; a claim that is not renewed is free after this. */
const LEASE_MS = 6_000;
const RENEW_EVERY_MS = 2_000;
const STOP_WAIT_MS = 2_000;
/** A turn that is interrupted again and again is told of so often; then it is what was said before. */
const REPORTS_MAX = 4;
/** Far more turns than can end while one call that began before is on its way. */
const ENDED_KEPT = 10_000;

export interface Turns extends Api<typeof turns> {
  /** Reads what is left over from an earlier run and begins. */
  start(): Promise<void>;
  /** With which claim the next turn of a conversation may be accepted; null where it must wait. */
  claimFor(conversationId: string): { owner: string; leaseUntil: number } | null;
  /** A turn was accepted: it takes its place in its conversation's lane, and runs at once where it is claimed. */
  accepted(turn: LaneTurn, claim: Claim | null): void;
  /** Throws `invalid_cursor` where the text cannot be a cursor. */
  checkCursor(after: string): void;
  /** The stream of a turn, from a cursor or from nothing; throws `not_found`, `invalid_cursor`. */
  follow(turnId: string, after: string | null, principal: Principal): Promise<ForkingReader>;
  /**
   * The rest of the turn that a cursor points into; the reader is null where that is no turn of this
   * conversation. Throws `invalid_cursor`.
   */
  resume(
    conversationId: string,
    after: string,
    principal: Principal,
  ): Promise<{ position: StreamPosition; reader: ForkingReader | null }>;
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
  const logs = createPassingMap<string, TurnLog>();
  const running = createPassingMap<string, Running>();
  /** Of turns that are about to run. */
  const claimedWithSend = createPassingMap<string, Claim>();
  const lanes = createLanes({ runningMax: uses.runningMax, run });
  const unfinished = createUnfinished({ clock, lookAgain: (turn) => void lookAgain(turn) });
  const cancels: (() => void)[] = [];
  const watchers = createWatchers();
  /** A stop or a repeat that looked before the end comes after it: it makes a new log, of which nobody is told. */
  const ended = recentMap<string, true>(ENDED_KEPT);
  let isDraining = false;

  const logOf = (turn: TurnPlace): TurnLog => {
    const known = logs.get(turn.turnId);
    if (known) return known;
    const log = createTurnLog({
      id: turn.turnId,
      conversationId: turn.conversationId,
      onStarted: (started) => {
        if (!ended.has(turn.turnId)) watchers.started(started);
      },
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

  function run(turn: LaneTurn): Promise<void> {
    const entry: Running = { claim: null, cut: new AbortController() };
    running.set(turn.turnId, entry);
    const claimed = claimedWithSend.get(turn.turnId);
    if (!claimed) return makeReply(turn, entry, null);
    claimedWithSend.delete(turn.turnId);
    // Whoever sent it is answered first: that needs no more than the promises that wait now.
    return new Promise((resolve) => process.nextTick(() => resolve(makeReply(turn, entry, claimed))));
  }

  async function makeReply(turn: LaneTurn, entry: Running, known: Claim | null): Promise<void> {
    const log = logOf(turn);
    try {
      const claimed = known ?? (await takeTurn(turn, log));
      if (claimed) await runClaimed(claimed, log, entry);
      else await endFromStore(turn.turnId, log);
    } catch (error) {
      interrupted(turn, log, error);
      await handBack(entry);
    } finally {
      running.delete(turn.turnId);
      leave(turn, log);
    }
  }

  async function takeTurn(turn: LaneTurn, log: TurnLog): Promise<Claim | null> {
    const version = await uses.characterVersion(turn.characterId);
    return stored(log, () => claim(turn.turnId, true, version));
  }

  /** A turn that has not ended is looked at again; its log stays, with readers who wait for that. */
  function leave(turn: TurnPlace, log: TurnLog): void {
    if (log.isEnded()) forget(turn.turnId);
    else if (!isDraining) unfinished.add(turn);
  }

  /** R17: whoever runs it next need not wait for a lease that nobody uses. */
  async function handBack(entry: Pick<Running, "claim">): Promise<void> {
    const { claim } = entry;
    entry.claim = null;
    // Where that cannot be stored it is free when the lease is over.
    if (claim) await store.renew([claim], clock.now()).catch(() => {});
  }

  function forget(turnId: string): void {
    if (logs.get(turnId)?.isEnded()) ended.set(turnId, true);
    logs.delete(turnId);
    unfinished.remove(turnId);
  }

  /** Nothing of it is lost. Where it lasts, readers come again rather than wait without a sign. */
  function interrupted({ turnId }: TurnPlace, log: TurnLog, error: unknown): void {
    const looks = unfinished.looks(turnId);
    if (looks < REPORTS_MAX) uses.reports.trouble("a turn was interrupted", error);
    if (looks > 0) log.breakOff();
  }

  async function lookAgain(turn: TurnPlace): Promise<void> {
    if (isDraining || lanes.has(turn.turnId)) return;
    const log = logOf(turn);
    try {
      const state = await endFromStore(turn.turnId, log);
      if (!state) log.breakOff();
      if (!state || log.isEnded()) forget(turn.turnId);
      else lanes.add({ ...turn, characterId: state.reply.character_id ?? "" });
    } catch (error) {
      interrupted(turn, log, error);
      unfinished.add(turn);
    }
  }

  async function runClaimed(claimed: Claim, log: TurnLog, entry: Running): Promise<void> {
    const turnId = claimed.turn.id;
    const startedMono = clock.monotonic();
    entry.claim = { turnId, epoch: claimed.epoch };
    uses.onActivity(log.conversationId, claimed.userId);
    const onEpoch = (epoch: number) => {
      entry.claim = { turnId, epoch };
    };
    const result = await runTurn(uses, claimed, log, entry.cut.signal, onEpoch);
    if (result.kind === "handed_back") return handBack(entry);
    const completed = await stored(log, () => store.complete(turnId, result.epoch, result.outcome));
    publish(claimed, log, completed, result.outcome, clock.monotonic() - startedMono);
  }

  function publish(
    claimed: Claim,
    log: TurnLog,
    completed: CompleteResult,
    outcome: Outcome,
    durationMs: number,
  ): void {
    // Another runs it now; its outcome is looked for like that of every turn that left without one.
    if (completed.kind === "fenced") return;
    const { turn, reply, epoch } = completed;
    const reason = completed.kind === "already" ? "adopted" : "restarted";
    log.end({ turn, message: claimed.message, reply, epoch, reason });
    uses.onActivity(log.conversationId, claimed.userId);
    uses.reports.ended({ turnId: turn.id, outcome, durationMs });
  }

  /** A turn that could not be claimed has ended elsewhere, or waits for another. */
  async function endFromStore(turnId: string, log: TurnLog): Promise<TurnState | null> {
    const state = await store.turnState(turnId, null);
    if (state?.turn.ended_at) log.end({ ...state, reason: "adopted" });
    return state;
  }

  const stored = <T>(log: TurnLog, work: () => Promise<T>): Promise<T> =>
    untilStored({ clock, isOver: () => isDraining, onLongWait: log.breakOff }, work);

  async function endQueued(turnId: string, log: TurnLog): Promise<void> {
    const claimed = await claim(turnId, false, null);
    if (!claimed) return;
    const stopped = AbortSignal.abort("stop" satisfies CutReason);
    const result = await runTurn(uses, claimed, log, stopped, () => {});
    if (result.kind !== "outcome") return;
    try {
      const completed = await store.complete(turnId, result.epoch, result.outcome);
      publish(claimed, log, completed, result.outcome, 0);
    } catch (error) {
      await handBack({ claim: { turnId, epoch: result.epoch } });
      throw error;
    }
  }

  /** Ends a turn here, whatever it is doing. */
  async function stopHere(turn: TurnPlace): Promise<void> {
    failpoint("k17");
    const current = running.get(turn.turnId);
    if (current) {
      current.cut.abort("stop" satisfies CutReason);
      return;
    }
    const log = logOf(turn);
    lanes.remove(turn);
    try {
      await endQueued(turn.turnId, log);
    } finally {
      leave(turn, log);
    }
  }

  const adopt = (open: OpenTurn) => {
    if (lanes.has(open.turnId) || unfinished.has(open.turnId)) return;
    logOf(open);
    lanes.add(open);
  };
  const sweep = createSweep({
    store,
    clock,
    adopt,
    onTrouble: (error) => uses.reports.trouble("a sweep failed", error),
  });

  async function renew(): Promise<void> {
    const held = running.values().flatMap((entry) => entry.claim ?? []);
    if (held.length === 0) return;
    try {
      const lost = new Set(await store.renew(held, clock.now() + LEASE_MS));
      for (const { turnId, epoch } of held) {
        const entry = running.get(turnId);
        // A claim that was raised while we asked is another than the one that is lost.
        if (lost.has(turnId) && entry?.claim?.epoch === epoch) entry.cut.abort("lost" satisfies CutReason);
      }
    } catch {
      // A lease that cannot be renewed is another's to take; the epoch guards what we would store.
    }
  }

  const findTurn = async (turnId: string, userId: string): Promise<Turn> => {
    const turn = isId(turnId) ? await store.turn(turnId, userId) : null;
    if (!turn) throw noTurn();
    return turn;
  };
  const requireTurn = (turnId: string, context: CallContext) =>
    findTurn(turnId, (context as SignedInContext).principal.userId);

  async function follow(turnId: string, after: string | null, principal: Principal): Promise<ForkingReader> {
    const from = after === null ? null : readCursor(after);
    const place = logs.get(turnId) ?? placeOf(await findTurn(turnId, principal.userId));
    // The log first, the state after it: a turn that ends in between ends this very log.
    const hadLog = logs.has(turnId);
    const log = logOf(place);
    const state = await store.turnState(turnId, principal.userId);
    if (state && !state.turn.ended_at) {
      // Nobody here may know of it: another process runs it, or no sweep has come by since its send was cut.
      if (!lanes.has(turnId) && !unfinished.has(turnId)) unfinished.add(placeOf(state.turn));
      return log.read(from);
    }
    if (!hadLog) logs.delete(turnId);
    if (!state) throw noTurn();
    return (log.isEnded() ? log : storedTurnLog(state)).read(from);
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
      await stopHere(placeOf(turn));
      if (log) await within(clock, STOP_WAIT_MS, log.ended);
      return requireTurn(turn_id, context);
    },

    async start() {
      await sweep.start();
      cancels.push(clock.every(RENEW_EVERY_MS, () => void renew()));
    },

    claimFor: (conversationId) =>
      lanes.isFree(conversationId) ? { owner: uses.owner, leaseUntil: clock.now() + LEASE_MS } : null,

    accepted(turn, claim) {
      logOf(turn);
      const isNext = lanes.isFree(turn.conversationId);
      // Others came before it since; it waits its turn like any.
      if (claim && !isNext) void handBack({ claim: { turnId: turn.turnId, epoch: claim.epoch } });
      if (claim && isNext) claimedWithSend.set(turn.turnId, claim);
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
      sweep.stop();
      unfinished.clear();
      await within(clock, timeoutMs, lanes.idle());
      isDraining = true;
      for (const cancel of cancels.splice(0)) cancel();
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

const noTurn = () => new Problem("not_found", "There is no such turn.");

const placeOf = (turn: Turn): TurnPlace => ({ turnId: turn.id, conversationId: turn.conversation_id });

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
