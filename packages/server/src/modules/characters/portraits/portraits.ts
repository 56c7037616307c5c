import { createHash } from "node:crypto";
import { derivedId } from "../../../kit/ids.ts";
import { drawBookshop } from "./bookshop.ts";
import { area, type Draw, drawPng, everywhere, flat, glow, oval } from "./canvas.ts";
import { drawGreenhouse } from "./greenhouse.ts";
import { drawLighthouse } from "./lighthouse.ts";
import { drawWagon } from "./wagon.ts";

/** The picture of a character that comes with Parley: drawn when somebody looks, stored nowhere. */
export interface Portrait {
  /** Another one whenever the picture is changed. */
  readonly tag: string;
  readonly draw: (draw: Draw) => void;
}

const WIDTHS = { full: 400, thumb: 256 } as const;

const portraits: ReadonlyMap<string, Portrait> = new Map(
  (
    [
      ["tamsin-reed", { tag: "lighthouse-1", draw: drawLighthouse }],
      ["juniper-nine", { tag: "greenhouse-1", draw: drawGreenhouse }],
      ["ottoline-marsh", { tag: "bookshop-1", draw: drawBookshop }],
      ["cassian-thorne", { tag: "wagon-1", draw: drawWagon }],
    ] as const
  ).map(([slug, portrait]) => [derivedId("starter", slug), portrait]),
);

export const portraitOf = (characterId: string): Portrait | null => portraits.get(characterId) ?? null;

const drawn = new Map<string, Promise<Uint8Array>>();

/** A portrait as a PNG; drawn once. */
export function drawPortrait({ tag, draw }: Portrait, size: keyof typeof WIDTHS): Promise<Uint8Array> {
  const key = `${tag} ${size}`;
  const known = drawn.get(key) ?? drawPng(WIDTHS[size], draw);
  drawn.set(key, known);
  return known;
}

const HUES = [
  "#5b4b8a",
  "#2f6b6b",
  "#8a4f63",
  "#3b6280",
  "#6b5b3a",
  "#4a7a4f",
  "#7a3b4c",
  "#46587a",
] as const;

/** A picture for the file of a character that has none: a figure before a colour of its own. */
export function placeholderFor(name: string): Promise<Uint8Array> {
  const hue = HUES[(createHash("sha256").update(name).digest()[0] as number) % HUES.length] as string;
  return drawPng(WIDTHS.full, (draw) => {
    draw(everywhere, flat(hue));
    draw(everywhere, glow(100, 110, 190, "#ffffff", 0.45));
    draw(area(20, 300, 30, 246, 62, 220, 138, 220, 170, 246, 180, 300), flat("#f6f1e7", 0.9));
    draw(oval(100, 150, 44, 54), flat("#f6f1e7"));
  });
}
