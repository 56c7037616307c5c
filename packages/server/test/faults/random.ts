/** A repeatable source of numbers in [0, 1) (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t = (t + Math.imul(t ^ (t >>> 7), t | 61)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A fresh seed, or the one of `JOURNEY_SEED` to repeat a run. It is printed with the test. */
export function newSeed(test: string): number {
  const seed = Number(process.env.JOURNEY_SEED ?? Math.floor(Math.random() * 2 ** 32));
  console.log(`${test}: JOURNEY_SEED=${seed}`);
  return seed;
}

/** A whole number from `min` to `max`. */
export const between = (random: () => number, min: number, max: number): number =>
  min + Math.floor(random() * (max - min + 1));

const LETTERS = [
  ..."abc def\n\r\t:,",
  "é",
  "ß",
  "你",
  "\u2028",
  "e\u0301",
  "😀",
  "🇩🇪",
  "👩‍👩‍👧‍👦",
  "\u{10ffff}",
];

/** Text of so many letters, many of them more than one byte, code unit or code point. */
export const randomText = (random: () => number, letters: number): string =>
  Array.from({ length: letters }, () => LETTERS[between(random, 0, LETTERS.length - 1)]).join("");

/** Cuts a text anywhere, inside surrogate pairs too, into pieces of 1 to `unitsMax` code units. */
export function randomPieces(random: () => number, text: string, unitsMax: number): string[] {
  const pieces: string[] = [];
  for (let at = 0; at < text.length; ) {
    const end = at + between(random, 1, unitsMax);
    pieces.push(text.slice(at, end));
    at = end;
  }
  return pieces;
}
