/** Time as an argument: everything that waits or stamps takes a `Clock`, so tests can move it. */
export interface Clock {
  /** Wall time in milliseconds since 1970; may jump. */
  now(): number;
  /** Milliseconds from an arbitrary start; never jumps. Use it for timers and durations. */
  monotonic(): number;
  /** Calls `run` once after `ms`; returns a function that cancels. Never keeps the process alive. */
  after(ms: number, run: () => void): () => void;
  /** Calls `run` every `ms` until cancelled. Never keeps the process alive. */
  every(ms: number, run: () => void): () => void;
}

export const systemClock: Clock = {
  now: Date.now,
  monotonic: () => performance.now(),
  after(ms, run) {
    const timer = setTimeout(run, ms).unref();
    return () => clearTimeout(timer);
  },
  every(ms, run) {
    const timer = setInterval(run, ms).unref();
    return () => clearInterval(timer);
  },
};

/** A clock that a test moves by hand with `advance`; timers fire in order of their time. */
export interface ManualClock extends Clock {
  /** Moves both times on and fires what falls due, letting promises settle between timers. */
  advance(ms: number): Promise<void>;
  /** Moves the wall time alone, as an operator or NTP may. */
  jump(ms: number): void;
}

export function manualClock(startMs = Date.UTC(2026, 0, 1)): ManualClock {
  let wall = startMs;
  let mono = 0;
  let nextId = 1;
  const timers = new Map<number, { at: number; run: () => void; everyMs?: number }>();
  const schedule = (timer: { at: number; run: () => void; everyMs?: number }) => {
    const id = nextId++;
    timers.set(id, timer);
    return () => void timers.delete(id);
  };
  const due = (until: number) =>
    [...timers].filter(([, t]) => t.at <= until).sort((a, b) => a[1].at - b[1].at || a[0] - b[0])[0];
  return {
    now: () => wall,
    monotonic: () => mono,
    after: (ms, run) => schedule({ at: mono + ms, run }),
    every: (ms, run) => schedule({ at: mono + ms, run, everyMs: ms }),
    jump: (ms) => {
      wall += ms;
    },
    async advance(ms) {
      const until = mono + ms;
      await settle();
      for (let next = due(until); next; next = due(until)) {
        const [id, timer] = next;
        wall += timer.at - mono;
        mono = timer.at;
        if (timer.everyMs === undefined) timers.delete(id);
        else timer.at += timer.everyMs;
        timer.run();
        await settle();
      }
      wall += until - mono;
      mono = until;
    },
  };
}

const settle = () => new Promise<void>((resolve) => setImmediate(resolve));
