import { deflate } from "node:zlib";
import { type PngChunk, writePng } from "./chunks.ts";

/** A picture as bytes: red, green, blue and alpha (not multiplied) of each pixel, row by row. */
export interface Pixels {
  readonly width: number;
  readonly height: number;
  readonly rgba: Uint8Array;
}

/** Writes pixels as a PNG; without an alpha channel where nothing shines through. */
export async function encodePng({ width, height, rgba }: Pixels): Promise<Uint8Array> {
  const isOpaque = showsNothingThrough(rgba);
  const channels = isOpaque ? 3 : 4;
  const header = new Uint8Array(13);
  const view = new DataView(header.buffer);
  view.setUint32(0, width);
  view.setUint32(4, height);
  header[8] = 8;
  header[9] = isOpaque ? 2 : 6;
  const packed = await deflated(filtered(isOpaque ? withoutAlpha(rgba) : rgba, width * channels, channels));
  const chunks: PngChunk[] = [
    { type: "IHDR", data: header },
    { type: "IDAT", data: packed },
    { type: "IEND", data: new Uint8Array() },
  ];
  return writePng(chunks);
}

function showsNothingThrough(rgba: Uint8Array): boolean {
  for (let i = 3; i < rgba.length; i += 4) if (rgba[i] !== 255) return false;
  return true;
}

function withoutAlpha(rgba: Uint8Array): Uint8Array {
  const rgb = new Uint8Array((rgba.length / 4) * 3);
  for (let from = 0, to = 0; from < rgba.length; from += 4, to += 3) {
    rgb[to] = rgba[from] as number;
    rgb[to + 1] = rgba[from + 1] as number;
    rgb[to + 2] = rgba[from + 2] as number;
  }
  return rgb;
}

const FILTERS = [0, 1, 2, 4] as const;

/** Each row under the filter that leaves the smallest figures, which packs best as a rule (PNG 12.7). */
function filtered(bytes: Uint8Array, rowBytes: number, bpp: number): Uint8Array {
  const rows = bytes.length / rowBytes;
  const result = new Uint8Array(rows * (rowBytes + 1));
  const tried = new Uint8Array(rowBytes);
  for (let row = 0; row < rows; row++) {
    let least = Number.POSITIVE_INFINITY;
    for (const filter of FILTERS) {
      const sum = filterRow(filter, bytes, row * rowBytes, rowBytes, bpp, tried);
      if (sum >= least) continue;
      least = sum;
      result[row * (rowBytes + 1)] = filter;
      result.set(tried, row * (rowBytes + 1) + 1);
    }
  }
  return result;
}

function filterRow(
  filter: (typeof FILTERS)[number],
  bytes: Uint8Array,
  start: number,
  rowBytes: number,
  bpp: number,
  into: Uint8Array,
): number {
  let sum = 0;
  for (let i = 0; i < rowBytes; i++) {
    const left = i >= bpp ? (bytes[start + i - bpp] as number) : 0;
    const up = start > 0 ? (bytes[start + i - rowBytes] as number) : 0;
    const upLeft = i >= bpp && start > 0 ? (bytes[start + i - rowBytes - bpp] as number) : 0;
    const guess = filter === 0 ? 0 : filter === 1 ? left : filter === 2 ? up : paeth(left, up, upLeft);
    const value = ((bytes[start + i] as number) - guess) & 0xff;
    into[i] = value;
    sum += value < 128 ? value : 256 - value;
  }
  return sum;
}

/** The one of three neighbours that is nearest to what they suggest together (PNG 9.4). */
export function paeth(left: number, up: number, upLeft: number): number {
  const guess = left + up - upLeft;
  const toLeft = Math.abs(guess - left);
  const toUp = Math.abs(guess - up);
  const toUpLeft = Math.abs(guess - upLeft);
  if (toLeft <= toUp && toLeft <= toUpLeft) return left;
  return toUp <= toUpLeft ? up : upLeft;
}

const deflated = (bytes: Uint8Array): Promise<Uint8Array> =>
  new Promise((resolve, reject) =>
    deflate(bytes, { level: 9 }, (error, packed) => (error ? reject(error) : resolve(packed))),
  );
