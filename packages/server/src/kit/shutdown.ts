import type { Clock } from "./clock.ts";

const REPEAT_MS = 500;
const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
const EXIT_WITH_LAUNCHER = 137;
const EXIT_BY_SIGNAL = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const;

export type StopReason =
  | { readonly kind: "signal"; readonly signal: string }
  | { readonly kind: "fault"; readonly error: unknown };

/** What of `process` this needs; tests hand in an emitter. */
export interface StopSource {
  on(event: string, listener: (value: unknown) => void): unknown;
  off(event: string, listener: (value: unknown) => void): unknown;
}

export interface StopWatch {
  /** Resolves once the process is to stop: a signal, or a fault of ours (R17). */
  readonly requested: Promise<StopReason>;
  /** Stops watching. */
  close(): void;
}

/**
 * Watches for the end of the process. A terminal's Ctrl-C reaches a child of npm twice, so repeats within
 * half a second are one signal; a later one calls `exit` at once. A fault is reported each time, the
 * first one asks for the stop.
 */
export function watchForStop(uses: {
  source: StopSource;
  clock: Clock;
  exit(status: number): void;
  onFault(error: unknown): void;
}): StopWatch {
  const { source, clock } = uses;
  const { promise: requested, resolve } = Promise.withResolvers<StopReason>();
  let firstSignalAt: number | undefined;

  const onSignal = (signal: (typeof SIGNALS)[number]) => {
    const now = clock.monotonic();
    if (firstSignalAt !== undefined && now - firstSignalAt > REPEAT_MS) uses.exit(EXIT_BY_SIGNAL[signal]);
    firstSignalAt ??= now;
    resolve({ kind: "signal", signal });
  };
  const onFault = (error: unknown) => {
    uses.onFault(error);
    resolve({ kind: "fault", error });
  };
  const listeners: [string, (value: unknown) => void][] = [
    ...SIGNALS.map((signal): [string, () => void] => [signal, () => onSignal(signal)]),
    // The launcher that runs us under a newer Node was killed, and so are we: whoever starts anew needs the folder.
    ["disconnect", () => uses.exit(EXIT_WITH_LAUNCHER)],
    ["uncaughtException", onFault],
    ["unhandledRejection", onFault],
  ];
  for (const [event, listener] of listeners) source.on(event, listener);
  return {
    requested,
    close() {
      for (const [event, listener] of listeners) source.off(event, listener);
    },
  };
}
