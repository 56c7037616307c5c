import { area, box, type Draw, everywhere, fade, flat, glow, oval, ring, scatter } from "./canvas.ts";

/** Juniper-9: a small gardener with a lamp for a face, under a glass roof among the stars. */
export function drawGreenhouse(draw: Draw): void {
  draw(everywhere, fade(0, "#12142e", 200, "#214a3e"));
  const next = scatter(21);
  for (let i = 0; i < 90; i++) {
    draw(oval(next() * 200, next() * 150, 0.4 + next() * 0.8), flat("#e8f3ff", 0.3 + next() * 0.6));
  }
  for (const radius of [190, 150, 112]) draw(ring(100, 190, radius, 2.2), flat("#6d8f86", 0.75));
  for (const x of [-20, 40, 100, 160, 220]) {
    draw(area(100, 78, 102, 78, x + 2, 0, x - 2, 0), flat("#6d8f86", 0.55));
  }
  for (let i = 0; i < 46; i++) {
    const [x, y] = [next() * 200, 150 + next() * 90];
    const shade = ["#2f6b46", "#3c8552", "#245a3f", "#58a05c"][i % 4] as string;
    draw(oval(x, y, 15, 4.5, -1.2 + next() * 2.4), flat(shade, 0.9));
  }
  draw(box(0, 236, 200, 64), fade(236, "#3d2f27", 300, "#211814"));
  for (let i = 0; i < 26; i++) draw(oval(next() * 200, 238 + next() * 14, 7, 3), flat("#4b3a2f", 0.8));
  draw(box(62, 200, 76, 56, 12), fade(200, "#d9dcd0", 256, "#98a098"));
  draw(box(70, 212, 60, 20, 6), flat("#3e6b5d"));
  for (const x of [78, 92, 106, 120]) draw(oval(x, 222, 3), flat("#bfe6b0"));
  for (const x of [72, 100, 128]) {
    draw(oval(x, 260, 12), flat("#23262b"));
    draw(oval(x, 260, 5), flat("#8b9490"));
  }
  draw(box(96, 172, 8, 32), flat("#8b9490"));
  draw(area(64, 214, 40, 186, 45, 182, 70, 208), flat("#a9b0a8"));
  draw(area(136, 214, 162, 180, 157, 176, 130, 208), flat("#a9b0a8"));
  draw(oval(160, 176, 6), flat("#6d756f"));
  draw(area(30, 176, 54, 176, 50, 194, 34, 194), flat("#b8613c"));
  for (const turn of [-0.9, -0.3, 0.3, 0.9]) {
    draw(oval(42 + turn * 12, 162, 4, 15, turn), flat("#6fbf62"));
  }
  draw(oval(42, 148, 6), flat("#f2b6c6"));
  draw(oval(42, 148, 2.4), flat("#f8e08a"));
  draw(everywhere, glow(100, 140, 95, "#ffc65c", 0.6));
  draw(oval(100, 140, 37), flat("#7c827c"));
  draw(oval(100, 140, 32), fade(108, "#fff0b8", 172, "#f6a73c"));
  draw(oval(88, 138, 4.5, 6.5), flat("#4b2c12"));
  draw(oval(112, 138, 4.5, 6.5), flat("#4b2c12"));
  draw(oval(89.5, 135.5, 1.6), flat("#fff8e0"));
  draw(oval(113.5, 135.5, 1.6), flat("#fff8e0"));
  draw(area(90, 152, 100, 157, 110, 152, 100, 160), flat("#4b2c12"));
  draw(oval(84, 120, 9, 3.5, -0.6), flat("#fffbe6", 0.7));
}
