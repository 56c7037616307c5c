import { inflateSync } from "node:zlib";
import fc from "fast-check";
import { expect, test } from "vitest";
import { chunk, header, pngOf } from "../../../test/cards/make-png.ts";
import { PngError, readPng } from "./chunks.ts";
import { encodePng } from "./encode.ts";
import { shrinkPng } from "./shrink.ts";

/** The pixels of an opaque PNG of ours, by way of the same reader: each pixel a block of its own. */
async function averageOf(width: number, height: number, rgba: Uint8Array) {
  const small = await shrinkPng(readPng(await encodePng({ width, height, rgba })), 1);
  if (!small) throw new Error("it was not shrunk");
  const { chunks, header } = readPng(small);
  const row = inflateSync(chunks.find(({ type }) => type === "IDAT")?.data ?? new Uint8Array());
  expect([header.width, header.height]).toEqual([1, 1]);
  return [...row.subarray(1)];
}

test("a picture shrunk to one pixel is its average, weighted by what shines through", async () => {
  expect(await averageOf(2, 1, new Uint8Array([0, 0, 0, 255, 200, 100, 50, 255]))).toEqual([100, 50, 25]);
  expect(await averageOf(2, 1, new Uint8Array([9, 9, 9, 0, 200, 100, 50, 255]))).toEqual([200, 100, 50, 128]);
});

test("whatever the pixels, they survive writing, filters and reading", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 2, max: 9 }),
      fc.uint8Array({ minLength: 108, maxLength: 400 }),
      async (width, bytes) => {
        const height = Math.floor(bytes.length / (width * 4));
        const rgba = bytes.subarray(0, width * height * 4).map((value, i) => (i % 4 === 3 ? 255 : value));
        const average = [0, 1, 2].map((c) => {
          let sum = 0;
          for (let i = c; i < rgba.length; i += 4) sum += rgba[i] as number;
          return Math.round(sum / (width * height));
        });
        expect(await averageOf(width, height, rgba)).toEqual(average);
      },
    ),
  );
});

test("a picture that is no larger, interlaced or very large stays as it is", async () => {
  const small = await encodePng({ width: 3, height: 2, rgba: new Uint8Array(24).fill(255) });
  expect(await shrinkPng(readPng(small), 3)).toBeNull();
  const unread = (head: Uint8Array) =>
    shrinkPng(readPng(pngOf(head, chunk("IDAT", "not read"), chunk("IEND"))), 3);
  expect(await unread(header(9, 9, 8, 2, 1))).toBeNull();
  expect(await unread(header(8_000, 8_000))).toBeNull();
  await expect(unread(header(9, 9))).rejects.toThrow(PngError);
});
