import type { ImportReport, SentFile } from "@parley-chat/sdk/contract";
import { type Png, PngError, writePng } from "../../kit/png/chunks.ts";
import { withoutHiddenBytes } from "../../kit/png/packed-rows.ts";
import { shrinkPng } from "../../kit/png/shrink.ts";
import type { Card } from "./card.ts";
import { readCardFile } from "./card-file.ts";

/** The longer side of a small picture: what a gallery shows on a screen of twice the density. */
const THUMB_SIDE_MAX = 384;

/** All that an import stores of a file. */
export interface CardImport {
  readonly card: Card;
  readonly picture: CardPicture | null;
  readonly report: ImportReport;
}

export interface CardPicture {
  readonly whole: Uint8Array;
  /** Null where the whole is small enough, or cannot be made smaller here. */
  readonly small: Uint8Array | null;
}

/**
 * Reads a card file and makes its pictures ready to be stored; one that cannot be shown is left out with a
 * warning. Throws `invalid_card`.
 */
export async function readCardImport(sent: SentFile): Promise<CardImport> {
  const { card, picture, report } = readCardFile(sent);
  if (!picture) return { card, picture, report };
  try {
    return { card, picture: await prepared(picture), report };
  } catch (error) {
    if (!(error instanceof PngError)) throw error;
    const warning = { code: "picture_not_kept", path: "", message: error.message };
    return { card, picture: null, report: { ...report, warnings: [...report.warnings, warning] } };
  }
}

/** A picture as it is stored, large and small. Throws `PngError` where it cannot be shown. */
export async function prepared(png: Png): Promise<CardPicture> {
  const chunks = await withoutHiddenBytes(png);
  const small = await shrinkPng(png, THUMB_SIDE_MAX);
  return { whole: writePng(chunks), small };
}
