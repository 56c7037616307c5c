import { createInflate, type Inflate } from "node:zlib";
import { type Png, PngError, type PngHeader } from "./chunks.ts";
import { encodePng, type Pixels, paeth } from "./encode.ts";

/** Unpacking more than this for a small picture is not worth the time: such a one is shown as it is. */
const PIXELS_MAX = 16 * 1024 * 1024;

const CHANNELS: Readonly<Record<number, number>> = { 0: 1, 2: 3, 3: 1, 4: 2, 6: 4 };

/**
 * The same picture at most `sideMax` a side, as a PNG of its own; null where it is no larger, or of a
 * kind that is not unpacked here (interlaced, more than 16 million pixels). Unpacks off the event loop
 * and holds two rows of the picture at a time. Throws `PngError` where the picture cannot be unpacked.
 */
export async function shrinkPng(png: Png, sideMax: number): Promise<Uint8Array | null> {
  const { width, height, isInterlaced } = png.header;
  if (isInterlaced || width * height > PIXELS_MAX) return null;
  const scale = Math.min(1, sideMax / Math.max(width, height));
  const small = (side: number) => Math.max(1, Math.round(side * scale));
  const shrunk = createShrunk(png.header, small(width), small(height));
  const read = makeReader(png);
  await eachRow(png, (row) => shrunk.add(row, read));
  return scale === 1 ? null : encodePng(shrunk.pixels());
}

/** Averages blocks of pixels, weighted by their alpha, as the rows come in. */
function createShrunk({ width, height }: PngHeader, smallWidth: number, smallHeight: number) {
  const rgba = new Uint8Array(smallWidth * smallHeight * 4);
  const sums = new Float64Array(smallWidth * 4);
  const counts = new Uint32Array(smallWidth);
  const pixel = new Uint8Array(4);
  let y = 0;
  const flush = (row: number) => {
    for (let x = 0; x < smallWidth; x++) {
      const alpha = sums[x * 4 + 3] as number;
      const at = (row * smallWidth + x) * 4;
      for (let c = 0; c < 3; c++)
        rgba[at + c] = alpha > 0 ? Math.round((sums[x * 4 + c] as number) / alpha) : 0;
      rgba[at + 3] = Math.round(alpha / (counts[x] as number));
    }
    sums.fill(0);
    counts.fill(0);
  };
  return {
    add(row: Uint8Array, read: PixelReader) {
      for (let x = 0; x < width; x++) {
        read(row, x, pixel);
        const to = Math.floor((x * smallWidth) / width);
        const alpha = pixel[3] as number;
        for (let c = 0; c < 3; c++)
          sums[to * 4 + c] = (sums[to * 4 + c] as number) + (pixel[c] as number) * alpha;
        sums[to * 4 + 3] = (sums[to * 4 + 3] as number) + alpha;
        counts[to] = (counts[to] as number) + 1;
      }
      const small = Math.floor((y * smallHeight) / height);
      y++;
      if (y === height || Math.floor((y * smallHeight) / height) !== small) flush(small);
    },
    pixels: (): Pixels => ({ width: smallWidth, height: smallHeight, rgba }),
  };
}

type PixelReader = (row: Uint8Array, x: number, into: Uint8Array) => void;

/** Reads one pixel of a row in any of PNG's kinds; of 16 bits the upper 8. */
function makeReader({ header, chunks }: Png): PixelReader {
  const { bitDepth, colorType } = header;
  const channels = CHANNELS[colorType] as number;
  const palette = chunks.find(({ type }) => type === "PLTE")?.data;
  const alphas = chunks.find(({ type }) => type === "tRNS")?.data;
  const step = bitDepth === 16 ? 2 : 1;
  const sample =
    bitDepth < 8
      ? (row: Uint8Array, i: number) =>
          ((row[(i * bitDepth) >> 3] as number) >> (8 - bitDepth - ((i * bitDepth) & 7))) &
          ((1 << bitDepth) - 1)
      : (row: Uint8Array, i: number) => row[i * step] as number;
  if (colorType === 3) {
    if (!palette) throw new PngError("The picture lacks its colours: it is damaged.");
    return (row, x, into) => {
      const index = sample(row, x);
      for (let c = 0; c < 3; c++) into[c] = palette[index * 3 + c] ?? 0;
      into[3] = alphas?.[index] ?? 255;
    };
  }
  const full = bitDepth < 8 ? 255 / ((1 << bitDepth) - 1) : 1;
  const isGrey = channels < 3;
  return (row, x, into) => {
    const first = x * channels;
    for (let c = 0; c < 3; c++) into[c] = sample(row, first + (isGrey ? 0 : c)) * full;
    into[3] = colorType >= 4 ? sample(row, first + channels - 1) : 255;
  };
}

/** Unpacks a picture row by row and undoes its filters. */
async function eachRow(png: Png, onRow: (row: Uint8Array) => void): Promise<void> {
  const { width, height, bitDepth, colorType } = png.header;
  const bitsPerPixel = bitDepth * (CHANNELS[colorType] as number);
  const rowBytes = Math.ceil((width * bitsPerPixel) / 8);
  const bpp = Math.max(1, bitsPerPixel >> 3);
  let [row, above] = [new Uint8Array(rowBytes), new Uint8Array(rowBytes)];
  let filter = -1;
  let filled = 0;
  let rows = 0;
  const inflate = createInflate();
  const fed = feed(inflate, png);
  try {
    for await (const piece of inflate as AsyncIterable<Buffer>) {
      for (let at = 0; at < piece.length && rows < height; ) {
        if (filter < 0) {
          filter = piece[at++] as number;
          continue;
        }
        const taken = Math.min(rowBytes - filled, piece.length - at);
        row.set(piece.subarray(at, at + taken), filled);
        at += taken;
        filled += taken;
        if (filled < rowBytes) continue;
        unfilter(filter, row, above, bpp);
        onRow(row);
        [row, above] = [above, row];
        [filter, filled] = [-1, 0];
        rows++;
      }
      if (rows === height) break;
    }
  } catch (error) {
    if (error instanceof PngError) throw error;
    throw new PngError("The picture cannot be unpacked: it is damaged.");
  } finally {
    inflate.destroy();
    await fed;
  }
  if (rows < height) throw new PngError("The picture breaks off before its last row: it is damaged.");
}

/** Writes the packed picture into the stream as fast as it takes it. Never rejects. */
async function feed(inflate: Inflate, { chunks }: Png): Promise<void> {
  const closed = new Promise<void>((resolve) => inflate.once("close", resolve));
  inflate.once("error", () => {});
  for (const { type, data } of chunks) {
    if (type !== "IDAT" || data.length === 0) continue;
    if (inflate.destroyed) return;
    if (!inflate.write(data)) {
      await Promise.race([new Promise<void>((resolve) => inflate.once("drain", resolve)), closed]);
    }
  }
  if (!inflate.destroyed) inflate.end();
}

function unfilter(filter: number, row: Uint8Array, above: Uint8Array, bpp: number): void {
  if (filter === 0) return;
  if (filter > 4) throw new PngError("A row of the picture has no known filter: it is damaged.");
  for (let i = 0; i < row.length; i++) {
    const left = i >= bpp ? (row[i - bpp] as number) : 0;
    const up = above[i] as number;
    const upLeft = i >= bpp ? (above[i - bpp] as number) : 0;
    const guess =
      filter === 1 ? left : filter === 2 ? up : filter === 3 ? (left + up) >> 1 : paeth(left, up, upLeft);
    row[i] = (row[i] as number) + guess;
  }
}
