import type { Clock } from "../../../kit/clock.ts";

/** The timers of a call (R6), in milliseconds; 0 turns one off. */
export interface LlmTimers {
  /** Until the connection stands, name look-up and TLS included. */
  readonly connectMs: number;
  /** From the start of the call to the first text or reasoning. */
  readonly firstTokenMs: number;
  /** From one piece of text or reasoning to the next. */
  readonly betweenTokensMs: number;
  /**
   * Without any byte, comments included, once the stream's first byte came. Before that a model at home
   * may read a long prompt in silence: the first-token timer watches it.
   */
  readonly idleMs: number;
  /** The whole call. */
  readonly callMs: number;
}

export const hostedTimers: LlmTimers = {
  connectMs: 3_000,
  firstTokenMs: 10_000,
  betweenTokensMs: 15_000,
  idleMs: 60_000,
  callMs: 600_000,
};

export const localTimers: LlmTimers = { ...hostedTimers, firstTokenMs: 120_000 };

export interface Watch {
  connected(): void;
  /** Bytes of the stream came, and with them text or reasoning or not. */
  arrived(isProgress: boolean): void;
  stop(): void;
}

/**
 * Watches the deadlines of one call with one timer. Arrivals only note the time; the timer looks again
 * when it fires, so a fast stream costs no timers. `onExpired` is called at most once.
 */
export function createWatch(uses: {
  timers: LlmTimers;
  clock: Clock;
  onExpired(which: keyof LlmTimers): void;
}): Watch {
  const { timers, clock, onExpired } = uses;
  const startedAt = clock.monotonic();
  let isConnected = false;
  let lastBytesAt: number | null = null;
  let lastProgressAt: number | null = null;
  let isStopped = false;
  let cancel = () => {};

  const next = (): { which: keyof LlmTimers; at: number } => {
    let which: keyof LlmTimers = "callMs";
    let at = Number.POSITIVE_INFINITY;
    const consider = (timer: keyof LlmTimers, from: number) => {
      if (timers[timer] === 0 || from + timers[timer] >= at) return;
      which = timer;
      at = from + timers[timer];
    };
    consider("callMs", startedAt);
    if (!isConnected) consider("connectMs", startedAt);
    if (lastProgressAt === null) consider("firstTokenMs", startedAt);
    else consider("betweenTokensMs", lastProgressAt);
    if (lastBytesAt !== null) consider("idleMs", lastBytesAt);
    return { which, at };
  };

  const arm = () => {
    cancel();
    const { at } = next();
    if (at !== Number.POSITIVE_INFINITY) {
      cancel = clock.after(Math.max(0, Math.ceil(at - clock.monotonic())), () => look(false));
    }
  };

  /** A blocked event loop makes timers fire before bytes that wait are read: look again after those. */
  const look = (isCertain: boolean) => {
    if (isStopped) return;
    const { which, at } = next();
    if (clock.monotonic() < at) return arm();
    if (!isCertain) return void setImmediate(() => look(true));
    isStopped = true;
    onExpired(which);
  };

  arm();
  return {
    connected() {
      isConnected = true;
    },
    arrived(isProgress) {
      // Only a first arrival can bring a deadline nearer than the one that is armed.
      const isFirst = lastBytesAt === null || (isProgress && lastProgressAt === null);
      lastBytesAt = clock.monotonic();
      if (isProgress) lastProgressAt = lastBytesAt;
      if (isFirst) arm();
    },
    stop() {
      isStopped = true;
      cancel();
    },
  };
}
