import { isIPv4, isIPv6 } from "node:net";
import type { LimitState } from "@parley-chat/sdk/contract";
import { Problem } from "@parley-chat/sdk/contract/problem";
import type { Clock } from "./clock.ts";

export interface LimitPolicy {
  /** Shown in `RateLimit-Policy`; names the counter too. */
  readonly name: string;
  /** How many in a window; 0 turns the policy off. */
  readonly max: number;
  readonly windowMs: number;
}

/** What limits need of a kv store. */
export interface Counters {
  count(key: string, by: number, windowMs: number): Promise<{ count: number; resetMs: number }>;
}

export type LimitTaken =
  | {
      readonly ok: true;
      readonly state: LimitState;
      /** Gives the place back, for what turned out not to count. */
      refund(): Promise<void>;
    }
  | { readonly ok: false; readonly state: LimitState; readonly problem: Problem };

export interface Limits {
  /** Takes one place of `key` under every policy, or under none. Never rejects. */
  take(key: string): Promise<LimitTaken>;
  /** How matters stand, for a call that does not count. Never rejects. */
  look(key: string): Promise<LimitState>;
}

interface Taken {
  readonly policy: LimitPolicy;
  readonly count: number;
  /** On the monotonic clock. */
  readonly resetAt: number;
}

/**
 * Limits by fixed windows that begin with their first hit. A kv store that is out of reach lets calls
 * through: a limit is a courtesy to the machine, not a promise. `what` is the plural that a refusal
 * names ("messages").
 */
export function createLimits(options: {
  kv: Counters;
  clock: Clock;
  policies: readonly LimitPolicy[];
  what?: string;
}): Limits {
  const { kv, clock, what = "calls" } = options;
  const policies = options.policies.filter((policy) => policy.max > 0);

  async function count(policy: LimitPolicy, key: string, by: number): Promise<Taken> {
    const { count, resetMs } = await kv.count(`limit:${policy.name}:${key}`, by, policy.windowMs);
    return { policy, count, resetAt: clock.monotonic() + resetMs };
  }

  /** Adds to every counter; those that cannot be reached are left out. */
  async function countAll(key: string, by: number): Promise<Taken[]> {
    const settled = await Promise.allSettled(policies.map((policy) => count(policy, key, by)));
    return settled.flatMap((one) => (one.status === "fulfilled" ? [one.value] : []));
  }

  async function giveBack(all: readonly Taken[], key: string): Promise<void> {
    // A window that has ended since took the place with it: the next one must not lose a hit.
    const open = all.filter((one) => one.resetAt > clock.monotonic());
    await Promise.allSettled(
      open.map(({ policy }) => kv.count(`limit:${policy.name}:${key}`, -1, policy.windowMs)),
    );
  }

  const stateOf = (all: readonly Taken[], isRefused: boolean): LimitState => ({
    policies: all.map(({ policy, count, resetAt }) => ({
      name: policy.name,
      max: policy.max,
      windowS: Math.ceil(policy.windowMs / 1_000),
      remaining: Math.max(0, policy.max - count + (isRefused ? 1 : 0)),
      resetS: secondsUntil(resetAt, clock),
    })),
  });

  async function take(rawKey: string): Promise<LimitTaken> {
    const key = shortened(rawKey);
    const all = await countAll(key, 1);
    const worst = all
      .filter(({ policy, count }) => count > policy.max)
      .sort((a, b) => b.resetAt - a.resetAt)[0];
    if (worst === undefined) {
      let isTaken = true;
      const refund = async () => {
        if (isTaken) await giveBack(all, key);
        isTaken = false;
      };
      return { ok: true, state: stateOf(all, false), refund };
    }
    await giveBack(all, key);
    return { ok: false, state: stateOf(all, true), problem: refusal(worst, what, clock) };
  }

  return { take, look: async (rawKey) => stateOf(await countAll(shortened(rawKey), 0), false) };
}

const shortened = (key: string) => key.slice(0, 256);

function refusal({ policy, resetAt }: Taken, what: string, clock: Clock): Problem {
  const retryAfterS = secondsUntil(resetAt, clock);
  const window = windowName(policy.windowMs);
  const detail = `At most ${policy.max} ${what} ${window} are allowed; try again in ${retryAfterS} s.`;
  return new Problem("rate_limited", detail, { retryAfterS });
}

const secondsUntil = (at: number, clock: Clock) => Math.max(1, Math.ceil((at - clock.monotonic()) / 1_000));

function windowName(windowMs: number): string {
  const names: Record<number, string> = { 60000: "a minute", 3600000: "an hour", 86400000: "a day" };
  return names[windowMs] ?? `in ${Math.ceil(windowMs / 1_000)} s`;
}

/**
 * The key under which limits count a network address. An IPv6 address counts as its /56, the room
 * that one customer is commonly given, so that changing addresses inside it helps nobody; an IPv4
 * address inside an IPv6 one counts as itself.
 */
export function addressKey(address: string): string {
  const bare = address.split("%", 1)[0] as string;
  if (isIPv4(bare)) return bare;
  if (!isIPv6(bare)) return address.slice(0, 64);
  const words = ipv6Words(bare);
  const isMapped = words.slice(0, 5).every((word) => word === 0) && words[5] === 0xffff;
  if (isMapped) return [6, 7].flatMap((n) => bytesOf(words[n] as number)).join(".");
  const [a, b, c, d] = words as [number, number, number, number];
  return `${[a, b, c, d & 0xff00].map((word) => word.toString(16)).join(":")}::/56`;
}

const bytesOf = (word: number) => [word >> 8, word & 0xff];

/** The eight words of a valid IPv6 address. */
function ipv6Words(address: string): number[] {
  const hex = address.replace(/(\d+)\.(\d+)\.(\d+)\.(\d+)$/, (_, ...bytes: string[]) => {
    const [a, b, c, d] = bytes.slice(0, 4).map(Number) as [number, number, number, number];
    return `${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`;
  });
  const parse = (part: string | undefined) =>
    part ? part.split(":").map((w) => Number.parseInt(w, 16)) : [];
  const [head, tail] = hex.split("::", 2);
  const before = parse(head);
  const after = parse(tail);
  return [...before, ...Array<number>(8 - before.length - after.length).fill(0), ...after];
}
