/** The value at a share of a sample, 0 to 1; the sample need not be sorted. */
export function quantile(sample: readonly number[], share: number): number {
  if (sample.length === 0) throw new Error("a sample is empty");
  const sorted = [...sample].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] as number;
}

export const median = (sample: readonly number[]): number => quantile(sample, 0.5);

/**
 * Runs every contender once a round, in an order that turns with the round, so that whatever else the
 * machine does falls on all of them alike. A warm-up round is thrown away.
 */
export async function interleave<T>(
  rounds: number,
  contenders: Readonly<Record<string, () => Promise<T>>>,
): Promise<Record<string, T[]>> {
  const names = Object.keys(contenders);
  const results: Record<string, T[]> = Object.fromEntries(names.map((name) => [name, []]));
  for (let round = -1; round < rounds; round++) {
    for (let n = 0; n < names.length; n++) {
      const name = names[(n + Math.max(round, 0)) % names.length] as string;
      const result = await (contenders[name] as () => Promise<T>)();
      if (round >= 0) (results[name] as T[]).push(result);
    }
  }
  return results;
}

/** The median of the ratios round by round: what the machine did to both in a round cancels out. */
export function ratio(of: readonly number[], to: readonly number[]): number {
  return median(of.map((value, round) => value / (to[round] as number)));
}
