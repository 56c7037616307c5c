import type { FieldError } from "@parley-chat/sdk/contract/problem";
import { jsonMost } from "../../kit/json-scan.ts";
import { hasNulOrLoneSurrogate } from "../../kit/text.ts";

/** Deeper nesting would overflow the stack of whoever walks it. */
const DEPTH_MAX = jsonMost.depth;

/**
 * The first thing in a JSON value that would not survive being stored and sent out again, or null.
 * NUL and lone surrogates have no place in text of any store; numbers that JSON cannot write would
 * become null; a `__proto__` field would change what the object is wherever somebody copies it by
 * assignment. All are refused rather than dropped: nothing of a card is lost in silence.
 * @param areTextsWhole texts are known to hold neither NUL nor half a pair; to look costs as much as all else
 */
export function firstUnsafe(value: unknown, path = "", areTextsWhole = false): FieldError | null {
  const isBroken = areTextsWhole ? () => false : hasNulOrLoneSurrogate;
  // A book has tens of thousands of items; paths are made only where something is wrong.
  return isSafe(value, 0, isBroken) ? null : unsafeIn(value, path, 0);
}

function unsafeIn(value: unknown, path: string, depth: number): FieldError | null {
  if (typeof value === "string") {
    return hasNulOrLoneSurrogate(value)
      ? { path, message: "holds a NUL character or half of a surrogate pair: remove it" }
      : null;
  }
  if (typeof value === "number" && !Number.isFinite(value)) {
    return { path, message: "is a number too large to keep" };
  }
  if (typeof value !== "object" || value === null) return null;
  if (depth >= DEPTH_MAX) return { path, message: `is nested more than ${DEPTH_MAX} deep` };
  return Array.isArray(value) ? unsafeItem(value, path, depth) : unsafeField(value, path, depth);
}

/** The same in short. */
function isSafe(value: unknown, depth: number, isBroken: (text: string) => boolean): boolean {
  if (typeof value === "string") return !isBroken(value);
  if (typeof value === "number") return Number.isFinite(value);
  if (typeof value !== "object" || value === null) return true;
  if (depth >= DEPTH_MAX) return false;
  if (Array.isArray(value)) return value.every((item) => isSafe(item, depth + 1, isBroken));
  return Object.keys(value).every(
    (name) =>
      name !== "__proto__" &&
      !isBroken(name) &&
      isSafe((value as Record<string, unknown>)[name], depth + 1, isBroken),
  );
}

function unsafeItem(items: readonly unknown[], path: string, depth: number): FieldError | null {
  for (let i = 0; i < items.length; i++) {
    const unsafe = unsafeIn(items[i], `${path}.${i}`, depth + 1);
    if (unsafe) return unsafe;
  }
  return null;
}

function unsafeField(fields: object, path: string, depth: number): FieldError | null {
  const prefix = path === "" ? "" : `${path}.`;
  for (const [name, value] of Object.entries(fields)) {
    if (name === "__proto__")
      return { path: `${prefix}__proto__`, message: "is not a name that a field may have" };
    if (hasNulOrLoneSurrogate(name)) {
      return {
        path: `${prefix}${name.replaceAll("\0", "").toWellFormed()}`,
        message: "has a NUL character or half of a surrogate pair in its name: remove it",
      };
    }
    const unsafe = unsafeIn(value, `${prefix}${name}`, depth + 1);
    if (unsafe) return unsafe;
  }
  return null;
}
