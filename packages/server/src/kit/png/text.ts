import { inflateSync } from "node:zlib";
import { type PngChunk, PngError } from "./chunks.ts";

const KEYWORD_BYTES_MAX = 79;
/** Text packs to a third or a tenth; what unpacks to far more was made to fill memory. */
const UNPACKED_FREE_BYTES = 1024 ** 2;
const UNPACKED_TIMES_MAX = 100;
const TEXT_TYPES = new Set(["tEXt", "zTXt", "iTXt"]);

/** A text has more bytes than were asked for. */
export class PngTextTooLong extends PngError {}

/** The keyword of a text chunk; null of any other chunk, and of one without a keyword. */
export function keywordOf({ type, data }: PngChunk): string | null {
  if (!TEXT_TYPES.has(type)) return null;
  const end = data.subarray(0, KEYWORD_BYTES_MAX + 1).indexOf(0);
  return end <= 0 ? null : Buffer.from(data.subarray(0, end)).toString("latin1");
}

/**
 * The text of a text chunk as bytes, unpacked where it is packed: Latin-1 in tEXt and zTXt, UTF-8 in
 * iTXt. Unpacks at most `bytesMax`, and beyond 1 MiB at most 100 times what is packed. Throws `PngError`.
 */
export function textOf({ type, data }: PngChunk, bytesMax: number): Uint8Array {
  const body = data.subarray(data.indexOf(0) + 1);
  if (type === "tEXt") return bounded(body, bytesMax);
  if (type === "zTXt") return unpack(body.subarray(1), body[0], bytesMax);
  const [isPacked, method] = body;
  const languageEnd = body.indexOf(0, 2);
  const end = languageEnd < 0 ? -1 : body.indexOf(0, languageEnd + 1);
  if (end < 0) throw new PngError("A text in the picture is cut short: it is damaged.");
  const text = body.subarray(end + 1);
  return isPacked === 1 ? unpack(text, method, bytesMax) : bounded(text, bytesMax);
}

function unpack(packed: Uint8Array, method: number | undefined, bytesMax: number): Uint8Array {
  if (method !== 0) throw new PngError("A text in the picture is packed in a way that PNG does not have.");
  const honestMax = Math.max(UNPACKED_FREE_BYTES, UNPACKED_TIMES_MAX * packed.length);
  const outputMax = Math.min(bytesMax, honestMax);
  try {
    // In one piece: several would be copied into one, beside each other for a while.
    return inflateSync(packed, { maxOutputLength: outputMax, chunkSize: outputMax + 1 });
  } catch (error) {
    if ((error as { code?: string }).code === "ERR_BUFFER_TOO_LARGE") {
      throw bytesMax <= honestMax ? tooLong(bytesMax) : tooDense();
    }
    throw new PngError("A packed text in the picture cannot be unpacked: it is damaged.");
  }
}

function bounded(text: Uint8Array, bytesMax: number): Uint8Array {
  if (text.length > bytesMax) throw tooLong(bytesMax);
  return text;
}

const tooLong = (bytesMax: number) =>
  new PngTextTooLong(`A text in the picture is longer than ${Math.floor(bytesMax / 1024 ** 2)} MiB.`);

const tooDense = () =>
  new PngError(`A packed text in the picture is more than ${UNPACKED_TIMES_MAX} times longer unpacked.`);

/** A tEXt chunk. Keyword and text are ASCII. */
export function textChunk(keyword: string, text: string): PngChunk {
  return { type: "tEXt", data: Buffer.from(`${keyword}\0${text}`, "latin1") };
}
