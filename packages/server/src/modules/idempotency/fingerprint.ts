import { createHmac, hkdfSync } from "node:crypto";

/**
 * JSON that is equal for equal values: keys sorted, no spaces. Bodies come from a JSON parser, so there
 * are no cycles, and the parser's limit of depth bounds the recursion.
 */
export function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(",")}]`;
  if (value === null || typeof value !== "object") return JSON.stringify(value) ?? "";
  const entries = Object.entries(value)
    .filter(([, item]) => item !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${entries.map(([key, item]) => `${JSON.stringify(key)}:${canonicalJson(item)}`).join(",")}}`;
}

/** Turns a text into one that tells nothing of it to a reader of the database. */
export type Fingerprint = (purpose: string, text: string) => string;

/**
 * Fingerprints under a secret: bodies hold passwords and tokens, and a plain hash of a password can be
 * guessed at leisure by whoever gets a copy of the table.
 */
export function createFingerprint(secret: Uint8Array): Fingerprint {
  const key = Buffer.from(hkdfSync("sha256", secret, "", "parley idempotency", 32));
  return (purpose, text) => createHmac("sha256", key).update(`${purpose}:${text}`).digest("hex");
}
