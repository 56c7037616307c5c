import { isUtf8 } from "node:buffer";
import { Problem } from "@parley-chat/sdk/contract/problem";
import secureJson from "secure-json-parse";
import { scanJson } from "./json-scan.ts";

const DEPTH_MAX = 100;

/**
 * Reads a JSON body: UTF-8 only, no prototype keys, no depth that a recursive reader could not take, no
 * text that cannot be stored. An empty body is undefined. Throws `invalid_json`, `validation_failed`.
 */
export function readJsonBody(raw: Buffer): unknown {
  if (raw.length === 0) return undefined;
  if (!isUtf8(raw)) throw new Problem("invalid_json", "The body is not UTF-8. Send JSON as UTF-8.");
  const text = raw.toString("utf8");
  if (scanJson(raw, { depth: DEPTH_MAX, parts: Number.POSITIVE_INFINITY }).depth > DEPTH_MAX)
    throw new Problem("invalid_json", `The body is nested deeper than ${DEPTH_MAX} levels.`);
  const value = parse(text);
  // Only an escape can bring NUL or half a pair into well-formed UTF-8.
  if (text.includes("\\u")) refuseBrokenText(value);
  return value;
}

function parse(text: string): unknown {
  try {
    return secureJson.parse(text, { protoAction: "error", constructorAction: "error" });
  } catch (error) {
    const isPrototype = String(error).includes("forbidden prototype");
    throw new Problem(
      "invalid_json",
      isPrototype
        ? "The body has a key such as __proto__ or constructor, which is not taken."
        : "The body is not valid JSON.",
      { cause: error },
    );
  }
}

function refuseBrokenText(value: unknown): void {
  const path = brokenText(value);
  if (path !== null) throw Problem.invalid(path, "must not hold NUL or half of a surrogate pair");
}

/** Text that JSON can carry and no store keeps: NUL, and half of a surrogate pair. Null where there is none. */
function brokenText(value: unknown, path = ""): string | null {
  if (typeof value === "string") return value.includes("\0") || !value.isWellFormed() ? path : null;
  if (typeof value !== "object" || value === null) return null;
  for (const [key, inner] of Object.entries(value)) {
    const at = path === "" ? key : `${path}.${key}`;
    if (brokenText(key) !== null) return path;
    const broken = brokenText(inner, at);
    if (broken !== null) return broken;
  }
  return null;
}
