import { createInflate } from "node:zlib";
import { type Png, type PngChunk, PngError, type PngHeader } from "./chunks.ts";

const CHANNELS: Readonly<Record<number, number>> = { 0: 1, 2: 3, 3: 1, 4: 2, 6: 4 };
/** Where each pass of an interlaced picture begins, and its steps: x, y, across, down (Adam7). */
const PASSES = [
  [0, 0, 8, 8],
  [4, 0, 8, 8],
  [0, 4, 4, 8],
  [2, 0, 4, 4],
  [0, 2, 2, 4],
  [1, 0, 2, 2],
  [0, 1, 1, 2],
] as const;

/** How many bytes the rows of a picture have when they are unpacked, with the filter of each. */
export function rowsBytes({ width, height, bitDepth, colorType, isInterlaced }: PngHeader): number {
  const bits = bitDepth * (CHANNELS[colorType] as number);
  const bytesOf = (across: number, down: number) =>
    across === 0 ? 0 : down * (1 + Math.ceil((across * bits) / 8));
  if (!isInterlaced) return bytesOf(width, height);
  const count = (side: number, from: number, step: number) => Math.max(0, Math.ceil((side - from) / step));
  return PASSES.reduce((sum, [x, y, dx, dy]) => sum + bytesOf(count(width, x, dx), count(height, y, dy)), 0);
}

/**
 * The chunks of a picture without what stands behind its packed rows in IDAT: no viewer shows it, and it
 * may be anything. Unpacks the rows off the event loop and keeps none of them. Throws `PngError` where
 * more rows are packed than the picture has, or fewer.
 */
export async function withoutHiddenBytes({ header, chunks }: Png): Promise<PngChunk[]> {
  let left = await packedBytes(
    chunks.filter(({ type }) => type === "IDAT").map(({ data }) => data),
    rowsBytes(header),
  );
  return chunks.flatMap((chunk) => {
    if (chunk.type !== "IDAT") return [chunk];
    const data = chunk.data.subarray(0, left);
    left -= data.length;
    return data.length > 0 ? [{ ...chunk, data }] : [];
  });
}

/** How many bytes of the parts belong to their zlib stream, which must unpack to `unpackedBytes`. */
async function packedBytes(parts: readonly Uint8Array[], unpackedBytes: number): Promise<number> {
  const inflate = createInflate({ chunkSize: 64 * 1024 });
  const closed = new Promise<void>((resolve) => inflate.once("close", resolve));
  const fed = feed();
  let unpacked = 0;
  try {
    for await (const piece of inflate as AsyncIterable<Buffer>) {
      unpacked += piece.length;
      if (unpacked > unpackedBytes) throw new PngError("More rows are packed in the picture than it has.");
    }
  } catch (error) {
    if (error instanceof PngError) throw error;
    throw new PngError("The picture cannot be unpacked: it is damaged.");
  } finally {
    inflate.destroy();
    await fed;
  }
  if (unpacked < unpackedBytes)
    throw new PngError("The picture breaks off before its last row: it is damaged.");
  return inflate.bytesWritten;

  /** Never rejects. */
  async function feed(): Promise<void> {
    inflate.once("error", () => {});
    for (const part of parts) {
      if (part.length === 0) continue;
      if (inflate.destroyed || inflate.readableEnded) return;
      if (!inflate.write(part)) {
        await Promise.race([new Promise<void>((resolve) => inflate.once("drain", resolve)), closed]);
      }
    }
    if (!inflate.destroyed) inflate.end();
  }
}
