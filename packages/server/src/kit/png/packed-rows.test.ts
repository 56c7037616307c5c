import { deflateSync, inflateSync } from "node:zlib";
import { expect, test } from "vitest";
import { chunk, header, pngOf } from "../../../test/cards/make-png.ts";
import { PngError, readPng, writePng } from "./chunks.ts";
import { rowsBytes, withoutHiddenBytes } from "./packed-rows.ts";

const packed = deflateSync(Buffer.alloc(60 * 121, Buffer.from("0123456789")));
const pieces = (bytes: Uint8Array, size: number) =>
  Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) =>
    chunk("IDAT", bytes.subarray(i * size, (i + 1) * size)),
  );
const pngWith = (...idats: Uint8Array[]) => readPng(pngOf(header(40, 60), ...idats, chunk("IEND")));

test("nothing is left behind the packed rows, wherever their parts are cut", async () => {
  const hidden = Buffer.from("secret ".repeat(1_000));
  const whole = Buffer.concat([packed, hidden]);
  const files = [
    ...[1, 7, packed.length - 1, packed.length, packed.length + 3, whole.length].map((size) =>
      pieces(whole, size),
    ),
    [chunk("IDAT", packed), chunk("IDAT"), chunk("IDAT", hidden)],
    [chunk("IDAT", packed)],
  ];
  for (const idats of files) {
    const chunks = await withoutHiddenBytes(pngWith(...idats));
    const kept = Buffer.concat(chunks.filter(({ type }) => type === "IDAT").map(({ data }) => data));
    expect(kept.equals(packed)).toBe(true);
    expect(inflateSync(kept)).toHaveLength(60 * 121);
    expect(Buffer.from(writePng(chunks)).includes("secret")).toBe(false);
  }
});

test("more rows than the picture has, or fewer, or none, are refused", async () => {
  const refused = [
    deflateSync(Buffer.alloc(60 * 121 + 1)),
    deflateSync(Buffer.alloc(100_000_000)),
    deflateSync(Buffer.alloc(60 * 121 - 1)),
    packed.subarray(0, packed.length - 5),
    Buffer.from("nonsense"),
  ];
  for (const data of refused) {
    await expect(withoutHiddenBytes(pngWith(chunk("IDAT", data)))).rejects.toBeInstanceOf(PngError);
  }
});

test("the bytes of rows are known for every kind of picture", () => {
  const of = (width: number, height: number, bitDepth: number, colorType: number, isInterlaced = false) =>
    rowsBytes({ width, height, bitDepth, colorType, isInterlaced });
  expect([of(40, 60, 8, 2), of(9, 2, 1, 0), of(1, 1, 16, 6)]).toEqual([7_260, 6, 9]);
  expect([of(8, 8, 8, 2, true), of(1, 1, 8, 0, true), of(5, 1, 8, 0, true)]).toEqual([207, 2, 9]);
});
