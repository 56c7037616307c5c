/** One figure of a bar: a ratio to a reference of the same run, and what it must be. */
export interface Ratio {
  what: string;
  value: number;
  must: "at most" | "at least";
  limit: number;
}

export interface Bench {
  /** The row of the table in the README. */
  bar: number;
  title: string;
  /** Bounded in count and time; says on the console what it sees, and returns the bar's ratios in order. */
  run(): Promise<Ratio[]>;
}

const isMet = ({ value, must, limit }: Ratio): boolean =>
  must === "at most" ? value <= limit : value >= limit;

/** Prints pass or miss and, last, the line that other programs read. */
export function report(bar: number, ratios: readonly Ratio[]): void {
  for (const { what, value, must, limit } of ratios) {
    console.log(`  ${what}: ${value.toFixed(2)}x (${must} ${limit}x)`);
  }
  const missed = ratios.filter((ratio) => !isMet(ratio));
  console.log(missed.length === 0 ? "pass" : `miss: ${missed.map(({ what }) => what).join("; ")}`);
  console.log(`bar ${bar}: ${ratios.map(({ value }) => `${value.toFixed(2)}x`).join(" ")}`);
}

/** One line of what was seen: `name  12.3 µs  456/s`. */
export function show(name: string, ...figures: string[]): void {
  console.log(`  ${name.padEnd(28)}${figures.join("  ")}`);
}
