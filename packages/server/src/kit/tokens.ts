/**
 * An estimate of tokens by classes of characters. Its figures were fitted to the two vocabularies that
 * OpenAI publishes (cl100k_base, o200k_base), nearer to the one that needs more tokens; those of local
 * models lie around them. What the estimate is off by for a model is learnt from the provider's usage
 * (`createTokenCalibration`).
 */
const SPACE = 0;
const MARK = 1;
const DIGIT = 2;
const CONSONANT = 3;
const VOWEL = 4;
const BEYOND_ASCII = 5;

const classOf = (code: number): number => {
  const character = String.fromCharCode(code);
  if (/[aeiouy]/i.test(character)) return VOWEL;
  if (/[a-z]/i.test(character)) return CONSONANT;
  if (/\d/.test(character)) return DIGIT;
  return code <= 32 ? SPACE : MARK;
};

const classes = new Uint8Array(65_536).fill(BEYOND_ASCII);
for (let code = 0; code < 128; code++) classes[code] = classOf(code);

/** Tokens for each UTF-16 unit beyond ASCII, by the first unit of its range (multiples of 128). */
const scripts: readonly (readonly [firstUnit: number, tokensPerUnit: number])[] = [
  [0x80, 0.8], // Latin of western Europe: the word around it breaks up
  [0x100, 1.4], // Latin of the rest of Europe
  [0x200, 1.2], // phonetic letters, modifiers, combining marks
  [0x380, 0.85], // Greek
  [0x400, 0.55], // Cyrillic
  [0x500, 1.7], // Armenian
  [0x580, 1], // Hebrew
  [0x600, 0.75], // Arabic
  [0x700, 1.5], // Syriac, Thaana, N'Ko
  [0x900, 1], // Devanagari
  [0x980, 1.25], // the other scripts of India
  [0xe00, 0.9], // Thai
  [0xe80, 1.8], // Lao to Ethiopic and others
  [0x1e00, 1], // Latin of Vietnam
  [0x2000, 0.9], // dashes, quotes, signs
  [0x2180, 1.4], // arrows, symbols, boxes, dingbats
  [0x3000, 0.95], // punctuation of CJK, kana
  [0x3100, 1.6],
  [0x3400, 2.6], // rare ideographs
  [0x4e00, 1.25], // common ideographs
  [0xa000, 2.2],
  [0xac00, 1.1], // Hangul
  [0xd800, 1.4], // halves of pairs: emoji, rare ideographs
  [0xe000, 2],
  [0xff00, 1.1], // full-width forms
];

/** Thousandths of a token by blocks of 128 units: one look-up a unit, no search. */
const blockCosts = new Uint16Array(512).map((_, block) => {
  const cost = scripts.findLast(([firstUnit]) => firstUnit <= block * 128)?.[1] ?? 0;
  return Math.round(cost * 1_000);
});

/**
 * About how many tokens a text has: linear, without allocation, well below a millisecond for the longest
 * message. Rather too many than too few.
 */
export function estimateTokens(text: string): number {
  let thousandths = 0;
  for (let i = 0; i < text.length; ) {
    const code = text.charCodeAt(i);
    if (code > 127) {
      thousandths += blockCosts[code >> 7] as number;
      i++;
      continue;
    }
    const start = i;
    const kind = classes[code] as number;
    i = kind >= CONSONANT ? endOfWord(text, i) : endOfRun(text, i, kind);
    if (kind >= CONSONANT) thousandths += wordCost(text, start, i);
    else if (kind === DIGIT) thousandths += digitsCost(text, start, i);
    else if (kind === MARK) thousandths += marksCost(text, start, i);
    else if (i - start > 1 || code !== 32) thousandths += 1_000 * Math.ceil((i - start) / 32);
  }
  return Math.ceil(thousandths / 1_000);
}

function endOfRun(text: string, start: number, kind: number): number {
  let i = start + 1;
  while (i < text.length && classes[text.charCodeAt(i)] === kind) i++;
  return i;
}

/** A word ends where letters end, or where a capital follows a small letter. */
function endOfWord(text: string, start: number): number {
  let wasSmall = text.charCodeAt(start) >= 97;
  let i = start + 1;
  for (; i < text.length; i++) {
    const code = text.charCodeAt(i);
    const kind = classes[code] as number;
    if (kind < CONSONANT || kind > VOWEL) break;
    const isSmall = code >= 97;
    if (wasSmall && !isSmall) break;
    wasSmall = isSmall;
  }
  return i;
}

/**
 * Words of seven letters are mostly one token, longer ones break up. So do words that are none: codes
 * and keys betray themselves by consonants in a row.
 */
function wordCost(text: string, start: number, end: number): number {
  let cost = 1_000 + 250 * Math.max(0, end - start - 7);
  let consonants = 0;
  for (let i = start; i < end; i++) {
    consonants = classes[text.charCodeAt(i)] === CONSONANT ? consonants + 1 : 0;
    if (consonants > 3) cost += 700;
  }
  return cost;
}

/** Three digits a token; the space before a number is not joined to it. */
const digitsCost = (text: string, start: number, end: number): number =>
  1_000 * Math.ceil((end - start) / 3) + (start > 0 && text.charCodeAt(start - 1) === 32 ? 1_000 : 0);

/** Marks come in twos and threes (`":`, `).`); the same one repeated is joined further. */
function marksCost(text: string, start: number, end: number): number {
  let cost = 1_000;
  for (let i = start + 1; i < end; i++) cost += text.charCodeAt(i) === text.charCodeAt(i - 1) ? 125 : 400;
  return cost;
}

/** How far the estimate of a model may be corrected, downwards and upwards. */
const FACTOR_MIN = 0.5;
const FACTOR_MAX = 2;
/** What a new observation weighs against what was learnt before. */
const WEIGHT = 0.2;
/** Short prompts tell more about the provider's template than about its vocabulary. */
const ESTIMATED_MIN = 50;
const MODELS_MAX = 1_000;

export interface TokenCalibration {
  /** By what to multiply an estimate for this model: 0.5 to 2, 1 where nothing is known. */
  factor(model: string): number;
  /** A provider counted a prompt that we estimated. Figures that make no sense are ignored. */
  learn(model: string, estimated: number, counted: number): void;
}

/** Learns for each model what the estimate is off by; forgets the model used longest ago beyond 1,000. */
export function createTokenCalibration(): TokenCalibration {
  const factors = new Map<string, number>();
  return {
    factor: (model) => factors.get(model) ?? 1,
    learn(model, estimated, counted) {
      if (!(estimated >= ESTIMATED_MIN) || !(counted > 0) || !Number.isFinite(counted)) return;
      const seen = Math.min(FACTOR_MAX, Math.max(FACTOR_MIN, counted / estimated));
      const known = factors.get(model);
      factors.delete(model);
      factors.set(model, known === undefined ? seen : known + WEIGHT * (seen - known));
      const [oldest] = factors.keys();
      if (factors.size > MODELS_MAX && oldest !== undefined) factors.delete(oldest);
    },
  };
}
