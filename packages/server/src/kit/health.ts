import type { Clock } from "./clock.ts";

const PROBE_EVERY_MS = 1_000;
const MEASURED_MS = 1_000;

export interface Dependency {
  name: string;
  /** A durable write of nothing; rejects where writes are refused. */
  probe(): Promise<void>;
}

/**
 * Whether each store takes writes (I18): red from the first refused write, green again from the first
 * that succeeds; while red a probe is tried every second, so that recovery needs no traffic.
 */
export function createHealth(uses: {
  clock: Clock;
  dependencies: readonly Dependency[];
  /** A store begins to refuse writes, and why; or takes them again. */
  onChange(name: string, isOk: boolean, refusal: unknown): void;
}) {
  const failing = new Set<string>();
  let isProbing = false;
  let isSuspected = false;

  const measure = async ({ name, probe }: Dependency) => {
    const startedMs = uses.clock.monotonic();
    const refusal = await probe().then(
      () => null,
      (error: unknown) => error ?? new Error("refused without a reason"),
    );
    report(name, refusal);
    return {
      name,
      status: statusOf(refusal === null),
      latency_ms: Math.round((uses.clock.monotonic() - startedMs) * 100) / 100,
    };
  };

  let measured: { at: number; all: Promise<Awaited<ReturnType<typeof measure>>[]> } | null = null;

  const isFresh = () => measured !== null && uses.clock.monotonic() - measured.at < MEASURED_MS;

  /** Asks every dependency; whoever asks within a second of another gets the same answer. */
  const measureAll = () => {
    if (!measured || !isFresh()) {
      measured = { at: uses.clock.monotonic(), all: Promise.all(uses.dependencies.map(measure)) };
    }
    return measured.all;
  };

  const report = (name: string, refusal: unknown) => {
    const isOk = refusal === null;
    if (isOk !== failing.has(name)) return;
    if (isOk) failing.delete(name);
    else failing.add(name);
    uses.onChange(name, isOk, refusal);
  };

  const probeFailing = async () => {
    if (isProbing || (failing.size === 0 && !isSuspected)) return;
    isProbing = true;
    const suspects = uses.dependencies.filter(({ name }) => isSuspected || failing.has(name));
    isSuspected = false;
    await Promise.all(suspects.map(measure));
    isProbing = false;
  };
  const stop = uses.clock.every(PROBE_EVERY_MS, () => void probeFailing());

  return {
    /** A write was refused, it is not known by which store: each is asked now, or at the next probe where one just was. */
    suspect(): void {
      if (isFresh()) isSuspected = true;
      else void measureAll();
    },
    /** What a real write came to: null where it is stored, else why it is not. */
    report,
    /** From memory alone. */
    checks(): Record<string, "ok" | "failing"> {
      return Object.fromEntries(uses.dependencies.map(({ name }) => [name, statusOf(!failing.has(name))]));
    },
    measureAll,
    stop,
  };
}

export type Health = ReturnType<typeof createHealth>;

const statusOf = (isOk: boolean) => (isOk ? ("ok" as const) : ("failing" as const));
