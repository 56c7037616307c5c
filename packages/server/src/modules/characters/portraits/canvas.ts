import { encodePng } from "../../../kit/png/encode.ts";

/** All pictures are drawn in these units, whatever their size in pixels. */
export const WIDTH = 200;
export const HEIGHT = 300;

/** Red, green, blue (0 to 255) and alpha (0 to 1). */
export type Color = readonly [r: number, g: number, b: number, a: number];
export type Paint = (x: number, y: number) => Color;

export interface Shape {
  readonly box: readonly [left: number, top: number, right: number, bottom: number];
  has(x: number, y: number): boolean;
}

/** `#rrggbb` as a colour. */
export function color(hex: string, alpha = 1): Color {
  const value = Number.parseInt(hex.slice(1), 16);
  return [value >> 16, (value >> 8) & 255, value & 255, alpha];
}

export const flat = (hex: string, alpha = 1): Paint => {
  const one = color(hex, alpha);
  return () => one;
};

/** From one colour at `top` to another at `bottom`. */
export const fade = (top: number, from: string, bottom: number, to: string, alpha = 1): Paint => {
  const [a, b] = [color(from, alpha), color(to, alpha)];
  return (_, y) => mix(a, b, (y - top) / (bottom - top));
};

/** Light around a point, gone at `radius`. */
export const glow =
  (cx: number, cy: number, radius: number, hex: string, strength = 1): Paint =>
  (x, y) => {
    const rest = Math.max(0, 1 - Math.hypot(x - cx, y - cy) / radius);
    return color(hex, strength * rest * rest);
  };

function mix(a: Color, b: Color, t: number): Color {
  const part = Math.min(1, Math.max(0, t));
  const of = (i: 0 | 1 | 2 | 3) => a[i] + (b[i] - a[i]) * part;
  return [of(0), of(1), of(2), of(3)];
}

export const everywhere: Shape = { box: [0, 0, WIDTH, HEIGHT], has: () => true };

export const oval = (cx: number, cy: number, rx: number, ry = rx, turned = 0): Shape => {
  const [cos, sin] = [Math.cos(turned), Math.sin(turned)];
  const reach = Math.max(rx, ry);
  return {
    box: [cx - reach, cy - reach, cx + reach, cy + reach],
    has(x, y) {
      const [dx, dy] = [x - cx, y - cy];
      return ((dx * cos + dy * sin) / rx) ** 2 + ((dy * cos - dx * sin) / ry) ** 2 <= 1;
    },
  };
};

export const box = (left: number, top: number, width: number, height: number, round = 0): Shape => ({
  box: [left, top, left + width, top + height],
  has(x, y) {
    const dx = Math.max(left + round - x, x - (left + width - round), 0);
    const dy = Math.max(top + round - y, y - (top + height - round), 0);
    return Math.hypot(dx, dy) <= round;
  },
});

/** The area between points given as x, y, x, y, … */
export function area(...points: number[]): Shape {
  const xs = points.filter((_, i) => i % 2 === 0);
  const ys = points.filter((_, i) => i % 2 === 1);
  return {
    box: [Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys)],
    has(x, y) {
      let isInside = false;
      for (let i = 0, j = xs.length - 1; i < xs.length; j = i++) {
        const [xi, yi, xj, yj] = [xs[i], ys[i], xs[j], ys[j]] as [number, number, number, number];
        if (yi > y !== yj > y && x < ((xj - xi) * (y - yi)) / (yj - yi) + xi) isInside = !isInside;
      }
      return isInside;
    },
  };
}

/** All below a line that rises and falls: water, hills. */
export const below = (line: (x: number) => number): Shape => ({
  box: [0, 0, WIDTH, HEIGHT],
  has: (x, y) => y > line(x),
});

/** A ring that is seen from above its edge. */
export const ring = (cx: number, cy: number, radius: number, thickness: number): Shape => ({
  box: [cx - radius, cy - radius, cx + radius, cy + radius],
  has(x, y) {
    const distance = Math.hypot(x - cx, y - cy);
    return distance <= radius && distance >= radius - thickness;
  },
});

/** What of one shape another does not cover. */
export const without = (whole: Shape, cut: Shape): Shape => ({
  box: whole.box,
  has: (x, y) => whole.has(x, y) && !cut.has(x, y),
});

/** Four looks at each pixel make edges smooth. */
const LOOKS = [0.25, 0.75] as const;

export type Draw = (shape: Shape, paint: Paint) => void;

/** Rows that are painted before others get their turn on the event loop: some milliseconds. */
const BAND_ROWS = 16;

/** Draws a picture and writes it as a PNG of `width` pixels. */
export async function drawPng(width: number, picture: (draw: Draw) => void): Promise<Uint8Array> {
  const height = Math.round((HEIGHT * width) / WIDTH);
  const rgba = new Uint8Array(width * height * 4).fill(255);
  const strokes: [Shape, Paint][] = [];
  picture((shape, paint) => strokes.push([shape, paint]));
  for (let top = 0; top < height; top += BAND_ROWS) {
    const bottom = Math.min(height, top + BAND_ROWS);
    for (const [shape, paint] of strokes) paintBand(rgba, width, top, bottom, shape, paint);
    await new Promise((resolve) => setImmediate(resolve));
  }
  return encodePng({ width, height, rgba });
}

function paintBand(
  rgba: Uint8Array,
  width: number,
  first: number,
  end: number,
  { box: [left, top, right, bottom], has }: Shape,
  paint: Paint,
): void {
  const scale = width / WIDTH;
  const [x0, x1] = [Math.max(0, Math.floor(left * scale)), Math.min(width, Math.ceil(right * scale))];
  const [y0, y1] = [Math.max(first, Math.floor(top * scale)), Math.min(end, Math.ceil(bottom * scale))];
  for (let y = y0; y < y1; y++) {
    for (let x = x0; x < x1; x++) {
      let covered = 0;
      for (const dy of LOOKS) {
        for (const dx of LOOKS) if (has((x + dx) / scale, (y + dy) / scale)) covered += 0.25;
      }
      if (covered === 0) continue;
      const painted = paint((x + 0.5) / scale, (y + 0.5) / scale);
      const alpha = painted[3] * covered;
      const at = (y * width + x) * 4;
      for (let c = 0; c < 3; c++) {
        const under = rgba[at + c] as number;
        rgba[at + c] = Math.round(under + ((painted[c] as number) - under) * alpha);
      }
    }
  }
}

/** The same numbers in [0, 1) whenever it is drawn: for stars, leaves, spines of books. */
export function scatter(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 1_664_525 + 1_013_904_223) % 4_294_967_296;
    return state / 4_294_967_296;
  };
}
