/** An exact fraction in lowest terms; the denominator is positive. */
export interface Exact {
  readonly over: bigint;
  readonly under: bigint;
}

/** Why a sum has no answer here. */
export class NoAnswer extends Error {
  readonly why: "division_by_zero" | "too_large" | "not_real";
  constructor(why: NoAnswer["why"]) {
    super(why);
    this.why = why;
  }
}

const DIGITS_MAX = 400;
/** The value of a root that does not come out even is cut after so many decimals. */
const ROOT_DECIMALS = 12;

export function exact(over: bigint, under = 1n): Exact {
  if (under === 0n) throw new NoAnswer("division_by_zero");
  if (over.toString().length > DIGITS_MAX || under.toString().length > DIGITS_MAX) {
    throw new NoAnswer("too_large");
  }
  const sign = under < 0n ? -1n : 1n;
  const divisor = commonDivisor(over < 0n ? -over : over, under * sign) * sign;
  return { over: over / divisor, under: under / divisor };
}

const commonDivisor = (a: bigint, b: bigint): bigint => {
  let [x, y] = [a, b];
  while (y !== 0n) [x, y] = [y, x % y];
  return x;
};

/** Reads plain decimal notation, such as `12`, `0.5`, `.5`. */
export function fromText(text: string): Exact {
  const [whole = "", decimals = ""] = text.split(".");
  return exact(BigInt(`${whole}${decimals}` || "0"), 10n ** BigInt(decimals.length));
}

export const add = (a: Exact, b: Exact) => exact(a.over * b.under + b.over * a.under, a.under * b.under);
export const negate = (a: Exact) => exact(-a.over, a.under);
export const multiply = (a: Exact, b: Exact) => exact(a.over * b.over, a.under * b.under);
export const divide = (a: Exact, b: Exact) => exact(a.over * b.under, a.under * b.over);

/** What is left over: with the sign of `a`, as most calculators have it. */
export function remainder(a: Exact, b: Exact): Exact {
  const quotient = divide(a, b);
  return add(a, negate(multiply(b, exact(quotient.over / quotient.under))));
}

/** Whole exponents, and halves of them by the root. */
export function power(base: Exact, exponent: Exact): Exact {
  if (exponent.under === 2n) return power(root(base), exact(exponent.over));
  if (exponent.under !== 1n) throw new NoAnswer("not_real");
  const times = exponent.over < 0n ? -exponent.over : exponent.over;
  const digits = BigInt(Math.max(base.over.toString().length, base.under.toString().length));
  if (times * digits > BigInt(DIGITS_MAX)) throw new NoAnswer("too_large");
  const value = exact(base.over ** times, base.under ** times);
  return exponent.over < 0n ? divide(exact(1n), value) : value;
}

/** The square root; exact where it comes out even. */
export function root(a: Exact): Exact {
  if (a.over < 0n) throw new NoAnswer("not_real");
  const [over, under] = [wholeRoot(a.over), wholeRoot(a.under)];
  if (over * over === a.over && under * under === a.under) return exact(over, under);
  const scale = 10n ** BigInt(ROOT_DECIMALS);
  return exact(wholeRoot((a.over * scale * scale) / a.under), scale);
}

/** Newton's method on whole numbers. */
function wholeRoot(value: bigint): bigint {
  if (value < 2n) return value;
  let guess = 1n << BigInt(Math.ceil(value.toString(2).length / 2));
  for (;;) {
    const next = (guess + value / guess) / 2n;
    if (next >= guess) return guess;
    guess = next;
  }
}

const DECIMALS_MAX = 6;

/** For people: exact where it has few decimals, else rounded. */
export function toText(value: Exact): { text: string; isRounded: boolean } {
  const sign = value.over < 0n ? "-" : "";
  const over = value.over < 0n ? -value.over : value.over;
  const scale = 10n ** BigInt(DECIMALS_MAX);
  const scaled = over * scale;
  const rounded = (2n * scaled + value.under) / (2n * value.under);
  const decimals = (rounded % scale).toString().padStart(DECIMALS_MAX, "0").replace(/0+$/, "");
  const text = `${sign}${rounded / scale}${decimals === "" ? "" : `.${decimals}`}`;
  return { text, isRounded: scaled % value.under !== 0n };
}
