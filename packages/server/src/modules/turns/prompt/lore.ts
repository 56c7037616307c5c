import { isBlank, stripControl } from "../../../kit/text.ts";
import { expandMacros, type MacroValues } from "./macros.ts";

/** The book of a card: what the contract knows of it, and what else may stand in it, of any type. */
export interface LoreBook {
  readonly entries: readonly LoreEntry[];
  readonly scan_depth?: unknown;
  readonly token_budget?: unknown;
}

interface LoreEntry {
  readonly keys: readonly string[];
  readonly content: string;
  readonly enabled?: unknown;
  readonly constant?: unknown;
  readonly selective?: unknown;
  readonly secondary_keys?: unknown;
  readonly case_sensitive?: unknown;
  readonly use_regex?: unknown;
  readonly insertion_order?: unknown;
  readonly priority?: unknown;
  readonly position?: unknown;
  readonly extensions?: unknown;
}

/** Where an entry stands: around the definition, or so many messages before the end of the history. */
export type LorePlace =
  | { readonly kind: "before" | "after" }
  | { readonly kind: "depth"; readonly depth: number };

export interface LoreText {
  readonly place: LorePlace;
  readonly text: string;
}

/** Where a book does not say: the last two exchanges. */
const SCAN_DEPTH = 4;
const SCAN_DEPTH_MAX = 100;
const SCANNED_UNITS_MAX = 64 * 1024;
/** Keys times text that are compared in one turn: about 50 ms. The more keys a book has, the less text. */
const COMPARED_UNITS_MAX = 128 * 1024 * 1024;
const DEPTH = 4;
/** As the most used clients number places in `extensions.position`; what they have beside these is `after`. */
const AT_DEPTH = 4;
const BEFORE = 0;

interface Entry {
  readonly keys: readonly string[];
  readonly secondaryKeys: readonly string[];
  readonly content: string;
  readonly isConstant: boolean;
  readonly isCaseSensitive: boolean;
  readonly insertionOrder: number;
  readonly priority: number;
  readonly place: LorePlace;
  /** Its place in the book: decides between equals. */
  readonly index: number;
}

/** How many messages at the end of the history a book looks at. */
export const scanDepthOf = (book: LoreBook): number =>
  Math.min(SCAN_DEPTH_MAX, Math.max(0, wholeNumber(book.scan_depth) ?? SCAN_DEPTH));

/** Tokens that all of a book's entries may have together, or null where it does not say. */
export const tokenBudgetOf = (book: LoreBook): number | null => {
  const budget = wholeNumber(book.token_budget);
  return budget === null ? null : Math.max(0, budget);
};

/**
 * The entries of a book that this part of the history calls up, the most important first: by priority,
 * then the constant ones, then those that stand nearer to the end (V2 card specification: of too many
 * entries those of lower priority are dropped first).
 * @param said the last messages, newest last, `scanDepthOf` of them
 */
export function activeEntries(book: LoreBook, said: readonly string[]): Entry[] {
  const entries = entriesOf(book);
  const keys = entries.reduce((sum, entry) => sum + entry.keys.length + entry.secondaryKeys.length, 0);
  const unitsMax = Math.min(SCANNED_UNITS_MAX, Math.floor(COMPARED_UNITS_MAX / Math.max(1, keys)));
  const exact = said.join("\n").slice(-unitsMax || undefined);
  const lower = exact.toLowerCase();
  const has = (entry: Entry) => (key: string) =>
    entry.isCaseSensitive ? exact.includes(key) : lower.includes(key.toLowerCase());
  return entries
    .filter(
      (entry) =>
        entry.isConstant ||
        (entry.keys.some(has(entry)) &&
          (entry.secondaryKeys.length === 0 || entry.secondaryKeys.some(has(entry)))),
    )
    .sort(
      (a, b) =>
        b.priority - a.priority ||
        Number(b.isConstant) - Number(a.isConstant) ||
        b.insertionOrder - a.insertionOrder ||
        a.index - b.index,
    );
}

/** The texts of chosen entries in the order in which they are inserted: lower orders come first. */
export function loreTexts(entries: readonly Entry[], names: MacroValues, lengthMax: number): LoreText[] {
  return entries
    .toSorted((a, b) => a.insertionOrder - b.insertionOrder || a.index - b.index)
    .map(({ place, content }) => ({
      place,
      text: expandMacros(stripControl(content), names, lengthMax).trim(),
    }))
    .filter(({ text }) => text !== "");
}

function entriesOf(book: LoreBook): Entry[] {
  const found: Entry[] = [];
  for (const [index, entry] of book.entries.entries()) {
    const content = withoutDecorators(entry.content);
    // Patterns are not looked for: one of them could hold up everybody else.
    if (entry.enabled === false || isBlank(content) || (entry.use_regex === true && !entry.constant))
      continue;
    found.push({
      keys: wordsIn(entry.keys),
      secondaryKeys: entry.selective === true ? wordsIn(entry.secondary_keys) : [],
      content,
      isConstant: entry.constant === true,
      isCaseSensitive: entry.case_sensitive === true,
      insertionOrder: finite(entry.insertion_order),
      priority: finite(entry.priority),
      place: placeOf(entry),
      index,
    });
  }
  return found;
}

function placeOf(entry: LoreEntry): LorePlace {
  const extensions = (entry.extensions ?? {}) as { position?: unknown; depth?: unknown };
  if (extensions.position === AT_DEPTH) {
    return { kind: "depth", depth: Math.max(0, wholeNumber(extensions.depth) ?? DEPTH) };
  }
  const isBefore =
    extensions.position === BEFORE || (extensions.position == null && entry.position === "before_char");
  return { kind: isBefore ? "before" : "after" };
}

/** The lines `@@name value` at the top of a content are for programs (V3 card specification). */
const withoutDecorators = (content: string): string => content.replace(/^(?:[ \t]*@@[^\n]*(?:\n|$))+/, "");

/** An empty key would be found everywhere. */
const wordsIn = (keys: unknown): string[] =>
  Array.isArray(keys) ? keys.filter((key) => typeof key === "string" && !isBlank(key)) : [];

const finite = (value: unknown): number => (typeof value === "number" && Number.isFinite(value) ? value : 0);

const wholeNumber = (value: unknown): number | null =>
  typeof value === "number" && Number.isFinite(value) ? Math.floor(value) : null;
