import {
  add,
  divide,
  type Exact,
  fromText,
  multiply,
  NoAnswer,
  negate,
  power,
  remainder,
  root,
  toText,
} from "./exact.ts";
import { wordsToDigits } from "./number-words.ts";

/** A sentence beyond this is not read for sums. */
const LENGTH_MAX = 500;

export type Sum =
  | {
      readonly kind: "result";
      readonly expression: string;
      readonly result: string;
      readonly isRounded: boolean;
    }
  | { readonly kind: "no_answer"; readonly expression: string; readonly why: NoAnswer["why"] };

const NUMBER = String.raw`(-?\d+(?:\.\d+)?|-?\.\d+)`;
const rule = (pattern: string, to: string): readonly [RegExp, string] => [
  new RegExp(pattern.replaceAll("#", NUMBER), "g"),
  to,
];

/** Sums as people say them, turned into signs. */
const phrases = [
  rule(String.raw`(?<=\d),(?=\d{3}(?!\d))`, ""),
  rule(String.raw`[×·∙]|(?<=[\d)]\s*)x(?=\s*[\d(.-])`, "*"),
  rule("÷", "/"),
  rule("[−–—]", "-"),
  rule("²", "^2"),
  rule("³", "^3"),
  rule(String.raw`\*\*`, "^"),
  rule(String.raw`\b(?:to|raised to) the power (?:of )?`, "^"),
  rule(String.raw`\b(?:multiplied by|times)\b`, "*"),
  rule(String.raw`\b(?:divided by|over)\b`, "/"),
  rule(String.raw`\b(?:plus|added to)\b`, "+"),
  rule(String.raw`\b(?:minus|less|take away)\b`, "-"),
  rule(String.raw`\b(?:modulo|mod)\b`, "%"),
  rule(String.raw`\s*\bsquared\b`, "^2"),
  rule(String.raw`\s*\bcubed\b`, "^3"),
  rule(String.raw`\b(?:the )?square root of\s*|\bsqrt\b\s*`, "√"),
  rule(String.raw`#\s*(?:%|percent|per cent) of\s*#`, "($1 / 100 * $2)"),
  rule(String.raw`\b(?:the )?(?:sum|total) of # and #`, "($1 + $2)"),
  rule(String.raw`\b(?:the )?product of # and #`, "($1 * $2)"),
  rule(String.raw`\b(?:the )?difference (?:between|of) # and #`, "($1 - $2)"),
  rule(String.raw`\b(?:the )?quotient of # and #`, "($1 / $2)"),
  rule(String.raw`\badd # (?:and|to|with) #`, "($1 + $2)"),
  rule(String.raw`\bmultiply # (?:and|by|with) #`, "($1 * $2)"),
  rule(String.raw`\bdivide # by #`, "($1 / $2)"),
  rule(String.raw`\b(?:subtract|take) # from #`, "($2 - $1)"),
  rule("# subtracted from #", "($2 - $1)"),
  rule(String.raw`\b(?:double|twice) #`, "(2 * $1)"),
  rule(String.raw`\b(?:triple|thrice) #`, "(3 * $1)"),
  rule(String.raw`\bhalf (?:of )?#`, "($1 / 2)"),
  rule(String.raw`\ba third of #`, "($1 / 3)"),
  rule(String.raw`\ba quarter of #`, "($1 / 4)"),
] as const;

/** What asks for the sum that comes right after it. */
const cue =
  /(?:\bwhat(?:['’]?s| is| are| does| do| would be)?|\bhow much(?: is| are| does| do)?|^(?:is|are)|\b(?:can|could|would|will) you|\bcalculate|\bcompute|\bsolve|\bevaluate|\bwork out|\bfigure out|\btell me|\b(?:result|value|answer|sum) (?:of|to|for))\s*(?:the )?$/;
const weakCue = /(?:\band|\bthen|[:,;=])\s*$/;
/** A telephone number, a date, a score. */
const joinedNumbers = /^\d+(?:-\d+)+$/;

/** What may stand around a sum that is a message of its own. */
const FILLER = /\b(?:please|hey|hi|hello|so|now|equals?|is|makes?|thanks?|you)\b|[^\p{L}\p{N}]/gu;

/** The first sum that a sentence asks for, or null. */
export function findSum(sentence: string): Sum | null {
  if (sentence.length > LENGTH_MAX || !/\d|[a-z]{3}/i.test(sentence)) return null;
  let text = wordsToDigits(sentence.toLowerCase());
  for (const [pattern, to] of phrases) text = text.replace(pattern, to);
  for (const match of text.matchAll(/[-√\d.(][-+*/^%()√\d.\s]*/g)) {
    const expression = match[0].replace(/[\s.(+*/^%√-]+$/, "");
    if (!/\d/.test(expression)) continue;
    const before = text.slice(0, match.index);
    const after = text.slice(match.index + expression.length);
    const stands = `${before} ${after}`.replace(FILLER, "") === "";
    const isAsked = stands || cue.test(before) || (weakCue.test(before) && !joinedNumbers.test(expression));
    if (!isAsked) continue;
    const sum = work(expression);
    if (sum) return sum;
  }
  return null;
}

function work(text: string): Sum | null {
  const tokens: string[] = text.match(/\d+(?:\.\d+)?|\.\d+|[-+*/^%()√]/g) ?? [];
  const signs = tokens.filter((token, i) => i > 0 && /^[-+*/^%]$/.test(token)).length;
  if (signs === 0 && !tokens.includes("√")) return null;
  const expression = pretty(tokens);
  try {
    const value = evaluate(tokens);
    if (!value) return null;
    const { text: result, isRounded } = toText(value);
    return { kind: "result", expression, result, isRounded };
  } catch (error) {
    if (!(error instanceof NoAnswer)) throw error;
    return { kind: "no_answer", expression, why: error.why };
  }
}

/** Reads by precedence: signs, powers, products, sums. Null where the tokens are no sum. */
function evaluate(tokens: readonly string[]): Exact | null {
  let at = 0;
  let depth = 0;

  const sums = (): Exact => {
    let value = products();
    while (tokens[at] === "+" || tokens[at] === "-") {
      const isPlus = tokens[at++] === "+";
      const next = products();
      value = add(value, isPlus ? next : negate(next));
    }
    return value;
  };
  const products = (): Exact => {
    let value = signed();
    for (;;) {
      const sign = tokens[at];
      if (sign === "(" || sign === "√") {
        value = multiply(value, signed());
        continue;
      }
      if (sign !== "*" && sign !== "/" && sign !== "%") return value;
      at++;
      const next = signed();
      value =
        sign === "*" ? multiply(value, next) : sign === "/" ? divide(value, next) : remainder(value, next);
    }
  };
  const signed = (): Exact => {
    if (tokens[at] === "-" || tokens[at] === "+") return tokens[at++] === "-" ? negate(signed()) : signed();
    return powers();
  };
  const powers = (): Exact => {
    const base = atom();
    if (tokens[at] !== "^") return base;
    at++;
    return power(base, signed());
  };
  const atom = (): Exact => {
    const token = tokens[at++];
    if (token === "√") return root(signed());
    if (token === "(") {
      if (++depth > 50) throw new NotASum();
      const value = sums();
      depth--;
      // A bracket that was never closed ends with the sum.
      if (tokens[at] === ")") at++;
      else if (at < tokens.length) throw new NotASum();
      return value;
    }
    if (token === undefined || !/\d/.test(token)) throw new NotASum();
    return fromText(token);
  };

  try {
    const value = sums();
    return at === tokens.length ? value : null;
  } catch (error) {
    if (error instanceof NotASum) return null;
    throw error;
  }
}

class NotASum extends Error {}

/** Brackets that our own phrases put around the whole are left out. */
function pretty(tokens: readonly string[]): string {
  const isWrapped = tokens[0] === "(" && tokens.indexOf(")") === tokens.length - 1;
  const shown = isWrapped ? tokens.slice(1, -1) : tokens;
  return shown
    .map((token, i) => {
      const isSign = /^[-+]$/.test(token) && (i === 0 || /^[-+*/^%(√]$/.test(shown[i - 1] ?? ""));
      return isSign || /^[(√^]$/.test(token) || !/^[-+*/%]$/.test(token) ? token : ` ${token} `;
    })
    .join("");
}
