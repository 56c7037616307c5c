import { crc32, deflateSync } from "node:zlib";

/** A chunk of a PNG with its checksum; `lies` sets its length or checksum to something else. */
export function chunk(
  type: string,
  data: Uint8Array | string = "",
  lies: { length?: number; crc?: number } = {},
) {
  const body = Buffer.concat([Buffer.from(type, "latin1"), Buffer.from(data as string)]);
  const bytes = Buffer.alloc(8 + body.length);
  bytes.writeUInt32BE(lies.length ?? body.length - 4);
  body.copy(bytes, 4);
  bytes.writeUInt32BE(lies.crc ?? crc32(body), 4 + body.length);
  return bytes;
}

const SIGNATURE = Buffer.from("89504e470d0a1a0a", "hex");

export function header(width: number, height: number, bitDepth = 8, colorType = 2, interlace = 0) {
  const data = Buffer.alloc(13);
  data.writeUInt32BE(width);
  data.writeUInt32BE(height, 4);
  data[8] = bitDepth;
  data[9] = colorType;
  data[12] = interlace;
  return chunk("IHDR", data);
}

/** A PNG of these chunks, as they are. */
export const pngOf = (...chunks: Uint8Array[]): Buffer => Buffer.concat([SIGNATURE, ...chunks]);

/** The packed rows of a plain picture in one colour. */
export const rows = (width: number, height: number, channels = 3) => {
  const row = Buffer.alloc(1 + width * channels, 0x7f);
  row[0] = 0;
  return chunk("IDAT", deflateSync(Buffer.concat(Array.from({ length: height }, () => row))));
};

/** A small picture with chunks between its header and its rows. */
export const picture = (...extra: Uint8Array[]): Buffer =>
  pngOf(header(40, 60), ...extra, rows(40, 60), chunk("IEND"));

export type Carrier = "tEXt" | "zTXt" | "iTXt" | "iTXt packed";

/** A text chunk of each kind that PNG has. */
export function text(carrier: Carrier, keyword: string, value: string | Uint8Array): Buffer {
  const bytes = Buffer.from(value as string);
  const parts = {
    tEXt: [`${keyword}\0`, bytes],
    zTXt: [`${keyword}\0\0`, deflateSync(bytes)],
    iTXt: [`${keyword}\0\0\0en\0Karte\0`, bytes],
    "iTXt packed": [`${keyword}\0\x01\0\0\0`, deflateSync(bytes)],
  }[carrier];
  return chunk(carrier.slice(0, 4), Buffer.concat(parts.map((part) => Buffer.from(part as string))));
}

export const base64 = (card: unknown): string => Buffer.from(JSON.stringify(card)).toString("base64");

/** A picture with a card in it, as most programs write one. */
export const cardPng = (card: unknown, keyword = "chara"): Buffer =>
  picture(text("tEXt", keyword, base64(card)));
