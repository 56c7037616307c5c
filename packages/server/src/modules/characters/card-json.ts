import { isUtf8 } from "node:buffer";
import { Problem } from "@parley-chat/sdk/contract/problem";
import { excessOf, jsonMost, scanJson } from "../../kit/json-scan.ts";
import { parseJson } from "../../kit/parse-json.ts";
import { firstUnsafe } from "./json-safety.ts";

/** A million characters, as the contract has them for a field, in UTF-8. Pictures inside a card stay below. */
const TEXT_BYTES_MAX = 4_000_000;
const BYTE_ORDER_MARK = [0xef, 0xbb, 0xbf];

const refuse = (sentence: string, cause?: unknown) =>
  new Problem("invalid_card", sentence, cause === undefined ? {} : { cause });

export interface CardJson {
  readonly value: unknown;
  /** The first few whole numbers that are not the same any more, as they are written. */
  readonly changedNumbers: readonly string[];
}

/** The JSON of a card, safe to keep and to send out again. Throws `invalid_card`. */
export function parseCardJson(bytes: Uint8Array): CardJson {
  const raw = BYTE_ORDER_MARK.every((byte, i) => bytes[i] === byte) ? bytes.subarray(3) : bytes;
  if (raw.length === 0) throw refuse("The card is empty.");
  if (!isUtf8(raw)) throw refuse("The card is not text in UTF-8: it is damaged, or no card.");
  const scan = scanJson(raw, { ...jsonMost, longest: TEXT_BYTES_MAX });
  const excess = excessOf(scan);
  if (excess) throw refuse(`The card ${excess}.`);
  if (scan.longest > TEXT_BYTES_MAX)
    throw refuse(`A text in the card is longer than ${TEXT_BYTES_MAX} bytes.`);
  // Before anything is made of it.
  if (!scan.isClosed) throw notJson();
  const value = parse(raw);
  // In UTF-8 that is valid JSON only an escape brings NUL or half a pair.
  const areTextsWhole = !Buffer.from(raw.buffer, raw.byteOffset, raw.length).includes("\\u");
  const unsafe = firstUnsafe(value, "", areTextsWhole);
  if (unsafe) throw refuse(`${unsafe.path.slice(0, 200).toWellFormed() || "The card"} ${unsafe.message}.`);
  return { value, changedNumbers: scan.inexact };
}

function parse(raw: Uint8Array): unknown {
  try {
    return parseJson(raw);
  } catch (error) {
    throw notJson(error);
  }
}

const notJson = (cause?: unknown) => refuse("The card is not valid JSON: it is damaged, or no card.", cause);
