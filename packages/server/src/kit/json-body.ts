import { isUtf8 } from "node:buffer";
import { Problem } from "@parley-chat/sdk/contract/problem";
import secureJson from "secure-json-parse";
import { excessOf, jsonMost, scanJson } from "./json-scan.ts";

/** A smaller body cannot hold so many parts and names that to read them would hold others up. */
const LARGE_BYTES = 256 * 1024;

/**
 * Reads a JSON body: UTF-8 only, no prototype keys, no more depth, parts and names than `jsonMost` has, no
 * text that cannot be stored. An empty body is undefined. Throws `invalid_json`, `validation_failed`.
 */
export function readJsonBody(raw: Buffer): unknown {
  if (raw.length === 0) return undefined;
  if (!isUtf8(raw)) throw new Problem("invalid_json", "The body is not UTF-8. Send JSON as UTF-8.");
  refuseExcess(raw);
  const text = raw.toString("utf8");
  const value = parse(text);
  // Only an escape can bring NUL or half a pair into well-formed UTF-8, only these digits a number beyond all.
  if (text.includes("\\u") || /\d[eE]|\d{300}/.test(text)) refuseUnstorable(value);
  return value;
}

function refuseExcess(raw: Buffer): void {
  const { depth } = jsonMost;
  if (raw.length <= depth) return;
  const excess = excessOf(scanJson(raw, raw.length > LARGE_BYTES ? jsonMost : { depth }));
  if (excess) throw refusal(excess);
}

function parse(text: string): unknown {
  try {
    return secureJson.parse(text, { protoAction: "error", constructorAction: "error" });
  } catch (error) {
    if (String(error).includes("forbidden prototype")) {
      throw refusal("has a key such as __proto__ or constructor, which is not taken");
    }
    throw new Problem("invalid_json", "The body is not valid JSON.", { cause: error });
  }
}

const refusal = (message: string) =>
  new Problem("validation_failed", `The body ${message}.`, { errors: [{ path: "", message }] });

function refuseUnstorable(value: unknown): void {
  const found = findUnstorable(value, "");
  if (found) throw Problem.invalid(found.path, found.message);
}

const isBroken = (text: string) => text.includes("\0") || !text.isWellFormed();
const BROKEN = "must not hold NUL or half of a surrogate pair";

/** What JSON can carry and no store keeps: NUL, half of a surrogate pair, a number that is none. */
function findUnstorable(value: unknown, path: string): { path: string; message: string } | null {
  if (typeof value === "string") return isBroken(value) ? { path, message: BROKEN } : null;
  if (typeof value === "number") {
    return Number.isFinite(value) ? null : { path, message: "is a number too large to keep" };
  }
  if (typeof value !== "object" || value === null) return null;
  for (const [key, inner] of Object.entries(value)) {
    if (isBroken(key)) return { path, message: BROKEN };
    const found = findUnstorable(inner, path === "" ? key : `${path}.${key}`);
    if (found) return found;
  }
  return null;
}
