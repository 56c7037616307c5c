import { CHARACTER_BYTES_MAX, type ImportReport, type SentFile } from "@parley-chat/sdk/contract";
import { Problem } from "@parley-chat/sdk/contract/problem";
import { decodeBase64 } from "../../kit/base64.ts";
import {
  isPng,
  type Png,
  type PngChunk,
  PngError,
  pictureChunks,
  readPng,
  writePng,
} from "../../kit/png/chunks.ts";
import { keywordOf, PngTextTooLong, textChunk, textOf } from "../../kit/png/text.ts";
import { type Card, fileOf, type Json, specOf } from "./card.ts";
import { interpretCard, type ReadCard, type Warning } from "./card-import.ts";
import { parseCardJson } from "./card-json.ts";
import { forV2 } from "./card-v2.ts";

/** Base64 of the largest card. */
const TEXT_BYTES_MAX = Math.ceil((CHARACTER_BYTES_MAX * 4) / 3) + 4;

/** Older copies beyond this are not read only to be compared. */
const COMPARED_BYTES_MAX = 1024 ** 2;

export interface ReadFile {
  readonly card: Card;
  /** The picture alone: nothing in it tells of the card. */
  readonly picture: Png | null;
  readonly report: ImportReport;
}

/**
 * Reads a card file: JSON, or a PNG with the card in a text chunk, which is written over. Throws
 * `invalid_card` with one sentence for people.
 */
export function readCardFile({ file, type }: SentFile): ReadFile {
  if (type !== "image/png") {
    if (isPng(file)) throw refuse("The file is a picture: send it as image/png.");
    const { card, format, warnings } = interpretCard(parseCardJson(file));
    return { card, picture: null, report: { format, warnings: [...warnings] } };
  }
  try {
    return readPicture(file);
  } catch (error) {
    if (error instanceof PngError) throw refuse(error.message);
    throw error;
  }
}

function readPicture(file: Uint8Array): ReadFile {
  const png = readPng(file);
  const { card, format, warnings } = cardIn(png);
  return {
    card,
    picture: { ...png, chunks: pictureChunks(png.chunks) },
    report: { format, warnings: [...warnings, ...warningsOf(png)] },
  };
}

/** The card in a picture: `ccv3` before `chara`, the first of each (V3 specification). */
function cardIn({ chunks }: Png): ReadCard {
  const first = (keyword: string) => chunks.find((chunk) => keywordOf(chunk)?.toLowerCase() === keyword);
  const [v3, v2] = [first("ccv3"), first("chara")];
  const chosen = v3 ?? v2;
  if (!chosen)
    throw refuse("The picture holds no character card; perhaps the program that saved it took it out.");
  const other = v3 && v2 && !isSameText(v3, v2) ? v2 : null;
  const read = interpretCard(parseCardJson(jsonIn(chosen, TEXT_BYTES_MAX)));
  return other ? { ...read, warnings: [...read.warnings, ...disagreements(read.card, other)] } : read;
}

function isSameText(a: PngChunk, b: PngChunk): boolean {
  const behindKeyword = ({ data }: PngChunk) => data.subarray(data.indexOf(0));
  return a.type === b.type && Buffer.compare(behindKeyword(a), behindKeyword(b)) === 0;
}

/** Base64 as the specifications have it, or bare JSON as some programs write it. The chunk is used up. */
function jsonIn(chunk: PngChunk, bytesMax: number): Uint8Array {
  const text = textOf(chunk, bytesMax);
  if (text[0] === 0x7b) return text;
  const json = decodeBase64(text);
  if (!json) throw refuse("The card in the picture is not valid base64: it is damaged.");
  return json;
}

const COMPARED = ["name", "description", "personality", "scenario", "first_mes", "mes_example"] as const;

/** The card is the one in `ccv3`; whoever edited only the older copy should hear of it. */
function disagreements(card: Card, older: PngChunk): Warning[] {
  try {
    const other = interpretCard(parseCardJson(jsonIn(older, COMPARED_BYTES_MAX))).card.data;
    const field = COMPARED.find((name) => (card.data[name] ?? "") !== (other[name] ?? ""));
    return field === undefined
      ? []
      : [
          {
            code: "copies_differ",
            path: `data.${field}`,
            message: "is not the same in both copies of the card; the newer one (ccv3) was taken",
          },
        ];
  } catch (error) {
    if (error instanceof PngTextTooLong) {
      const message = "is too long to be compared; the newer copy (ccv3) was taken";
      return [{ code: "copies_not_compared", path: "chara", message }];
    }
    return [
      { code: "copy_damaged", path: "chara", message: "cannot be read; the newer copy (ccv3) was taken" },
    ];
  }
}

function* warningsOf({ chunks, trailingBytes }: Png): Generator<Warning> {
  if (chunks.some((chunk) => keywordOf(chunk)?.startsWith("chara-ext-asset_"))) {
    yield { code: "assets_not_kept", path: "", message: "The files inside the picture were not kept." };
  }
  if (chunks.some(({ type }) => type === "acTL")) {
    const message = "The picture was animated; it is kept as it stands without its animation.";
    yield { code: "animation_not_kept", path: "", message };
  }
  if (trailingBytes > 0) {
    const message = `${trailingBytes} bytes behind the end of the picture were not kept.`;
    yield { code: "trailing_data", path: "", message };
  }
}

/** A larger card is for programs: indented, one of many small parts would be many times its size. */
const INDENTED_BYTES_MAX = 64 * 1024;

/** A card as a JSON file, which can be taken again whatever is in it. */
export function writeCardJson(card: Card): Uint8Array {
  const file = fileOf(card);
  const bytes = Buffer.from(JSON.stringify(file));
  return bytes.length > INDENTED_BYTES_MAX ? bytes : Buffer.from(JSON.stringify(file, null, 2));
}

/**
 * A card inside a picture: `chara` for every reader and, for V3, `ccv3` for those who know it; of a large
 * card the newer one alone. Throws `validation_failed` where the file would be larger than can be taken again.
 * @param picture a PNG without a card
 */
export function writeCardPng(card: Card, picture: Uint8Array): Uint8Array {
  const chunks = pictureChunks(readPng(picture).chunks);
  const file = fileOf(card);
  const own = encoded(file);
  const bytesLeft = CHARACTER_BYTES_MAX - PNG_AROUND_BYTES - picture.length - own.length;
  if (bytesLeft < 0) {
    throw new Problem("validation_failed", "The card is too large to fit into a picture: export it as JSON.");
  }
  const end = chunks.findIndex(({ type }) => type === "IEND");
  return writePng([...chunks.slice(0, end), ...textsOf(card, own, bytesLeft), ...chunks.slice(end)]);
}

function textsOf(card: Card, own: string, bytesLeft: number): PngChunk[] {
  if (specOf(card).spec === "chara_card_v2") return [textChunk("chara", own)];
  const older = encoded(forV2(fileOf(card)));
  const newest = textChunk("ccv3", own);
  return older.length > bytesLeft ? [newest] : [textChunk("chara", older), newest];
}

/** Lengths, names and checksums of two chunks. */
const PNG_AROUND_BYTES = 64;

const encoded = (file: Json): string => Buffer.from(JSON.stringify(file)).toString("base64");

const refuse = (sentence: string) => new Problem("invalid_card", sentence);
