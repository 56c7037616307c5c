import { crc32 } from "node:zlib";

/** What is wrong with a picture, as one sentence for people. */
export class PngError extends Error {}

export interface PngChunk {
  /** Four letters; the first is a capital where a reader must understand the chunk. */
  readonly type: string;
  /** A view into the file. */
  readonly data: Uint8Array;
}

/** What a PNG says of its picture (IHDR). */
export interface PngHeader {
  readonly width: number;
  readonly height: number;
  readonly bitDepth: number;
  readonly colorType: number;
  readonly isInterlaced: boolean;
}

export interface Png {
  readonly header: PngHeader;
  readonly chunks: readonly PngChunk[];
  /** Bytes behind the end of the picture, which belong to something else. */
  readonly trailingBytes: number;
}

export const PNG_SIGNATURE = new Uint8Array([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
/** Encoders cut pictures into pieces of some kilobytes; a picture of 16 MiB has a few thousand. */
const CHUNKS_MAX = 20_000;
const SIDE_MAX = 16_384;
/** Viewers unpack a picture whole: this is 256 MB in a browser, and more than any card shows. */
const PIXELS_MAX = 64 * 1024 * 1024;

const BIT_DEPTHS: Readonly<Record<number, readonly number[]>> = {
  0: [1, 2, 4, 8, 16],
  2: [8, 16],
  3: [1, 2, 4, 8],
  4: [8, 16],
  6: [8, 16],
};

export const isPng = (bytes: Uint8Array): boolean =>
  bytes.length >= PNG_SIGNATURE.length && PNG_SIGNATURE.every((byte, i) => bytes[i] === byte);

/**
 * Reads the chunks of a PNG without copying or unpacking anything. Every length, name and checksum is
 * checked, so what comes back is as its writer meant it. Throws `PngError`.
 */
export function readPng(bytes: Uint8Array): Png {
  if (!isPng(bytes)) throw new PngError("The file is not a PNG picture.");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const chunks: PngChunk[] = [];
  for (let at = PNG_SIGNATURE.length; ; ) {
    if (bytes.length - at < 12) throw new PngError("The picture breaks off before its end: it is damaged.");
    if (chunks.length === CHUNKS_MAX) throw new PngError(`The picture has more than ${CHUNKS_MAX} parts.`);
    const length = view.getUint32(at);
    if (length > bytes.length - at - 12) {
      throw new PngError("A part of the picture is longer than the file: it is damaged.");
    }
    const named = bytes.subarray(at + 4, at + 8 + length);
    const type = String.fromCharCode(...named.subarray(0, 4));
    if (!/^[A-Za-z]{4}$/.test(type)) throw new PngError("A part of the picture has no name: it is damaged.");
    if (crc32(named) !== view.getUint32(at + 8 + length)) {
      throw new PngError(`The part ${type} of the picture has a wrong checksum: it is damaged.`);
    }
    chunks.push({ type, data: named.subarray(4) });
    at += 12 + length;
    if (type === "IEND") return { header: headerOf(chunks), chunks, trailingBytes: bytes.length - at };
  }
}

function headerOf(chunks: readonly PngChunk[]): PngHeader {
  const [first] = chunks;
  if (first?.type !== "IHDR" || first.data.length !== 13 || !chunks.some(({ type }) => type === "IDAT")) {
    throw new PngError("The file begins as a PNG but holds no picture.");
  }
  const view = new DataView(first.data.buffer, first.data.byteOffset, 13);
  const [width, height] = [view.getUint32(0), view.getUint32(4)];
  const [bitDepth, colorType, interlace] = [view.getUint8(8), view.getUint8(9), view.getUint8(12)];
  const isKnown = BIT_DEPTHS[colorType]?.includes(bitDepth) && interlace <= 1;
  if (!isKnown || width === 0 || height === 0 || view.getUint16(10) !== 0) {
    throw new PngError("The picture is of a kind that PNG does not have: it is damaged.");
  }
  if (width > SIDE_MAX || height > SIDE_MAX || width * height > PIXELS_MAX) {
    throw new PngError(
      `The picture is ${width} × ${height} pixels large: scale it down to ${SIDE_MAX} a side and ${PIXELS_MAX / 1024 ** 2} million in all, at most.`,
    );
  }
  return { width, height, bitDepth, colorType, isInterlaced: interlace === 1 };
}

/** Writes chunks as a PNG, with their checksums. */
export function writePng(chunks: readonly PngChunk[]): Uint8Array {
  const bytes = new Uint8Array(
    chunks.reduce((sum, { data }) => sum + 12 + data.length, PNG_SIGNATURE.length),
  );
  const view = new DataView(bytes.buffer);
  bytes.set(PNG_SIGNATURE);
  let at = PNG_SIGNATURE.length;
  for (const { type, data } of chunks) {
    view.setUint32(at, data.length);
    for (let i = 0; i < 4; i++) bytes[at + 4 + i] = type.charCodeAt(i);
    bytes.set(data, at + 8);
    view.setUint32(at + 8 + data.length, crc32(bytes.subarray(at + 4, at + 8 + data.length)));
    at += 12 + data.length;
  }
  return bytes;
}

/**
 * What is needed to show a picture that stands still, with the bytes that each has at most; texts and the
 * like are not, and nothing that hides behind such a name. The frames of an animation (APNG) are not either:
 * all viewers show the picture without them, and what is packed in them nobody has looked at.
 */
const SHOWN_BYTES: Readonly<Record<string, number>> = {
  IHDR: 13,
  PLTE: 768,
  IDAT: Infinity,
  tRNS: 256,
  gAMA: 4,
  cHRM: 32,
  sRGB: 1,
  cICP: 4,
  sBIT: 4,
  pHYs: 9,
  IEND: 0,
};

export function pictureChunks(chunks: readonly PngChunk[]): PngChunk[] {
  const seen = new Set<string>();
  const shown = chunks.filter(({ type, data }) => {
    const isShown = data.length <= (SHOWN_BYTES[type] ?? -1) && (type === "IDAT" || !seen.has(type));
    if (isShown) seen.add(type);
    return isShown && type !== "IEND";
  });
  return [...shown, { type: "IEND", data: new Uint8Array() }];
}
