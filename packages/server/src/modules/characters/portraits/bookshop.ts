import { area, box, type Draw, everywhere, fade, flat, glow, oval, ring, scatter } from "./canvas.ts";

const SPINES = ["#7c2f2b", "#2f4a5c", "#5a6b3a", "#8a6a2c", "#4a2f4e", "#9a7f5a", "#33513f", "#6b3a22"];

/** Ottoline Marsh: her table by lamplight, with shelves behind and fog before the window. */
export function drawBookshop(draw: Draw): void {
  draw(everywhere, fade(0, "#2a1a14", 300, "#160d0a"));
  const next = scatter(5);
  for (const shelf of [44, 92, 140, 188]) {
    for (let x = 4; x < 196; ) {
      const width = 4 + next() * 7;
      const height = 26 + next() * 13;
      draw(box(x, shelf - height, width, height, 0.8), flat(SPINES[Math.floor(next() * 8)] as string));
      draw(box(x + 0.8, shelf - height + 5, width - 1.6, 1.4), flat("#d9b56a", 0.7));
      x += width + 0.5;
    }
    draw(box(0, shelf, 200, 5), flat("#4a2c1b"));
  }
  draw(box(112, 20, 72, 126, 3), flat("#3a2418"));
  draw(box(117, 25, 62, 116), fade(25, "#6f7f8c", 141, "#aab4b4"));
  draw(box(124, 82, 11, 59), flat("#56646f", 0.7));
  draw(area(138, 141, 138, 96, 150, 84, 162, 96, 162, 141), flat("#5d6c76", 0.6));
  draw(oval(150, 50, 13), flat("#e4e6d8", 0.55));
  draw(box(146, 25, 3, 116), flat("#3a2418"));
  draw(box(117, 80, 62, 3), flat("#3a2418"));
  draw(area(30, 250, 40, 176, 62, 158, 88, 158, 110, 176, 120, 250), flat("#2f3f4a"));
  draw(area(66, 160, 75, 176, 84, 160), flat("#e8dcc6"));
  draw(oval(75, 132, 22, 26), flat("#e2b795"));
  draw(oval(75, 112, 25, 15), flat("#cfccc4"));
  draw(oval(94, 100, 11), flat("#bdbab2"));
  draw(oval(52, 124, 5, 13), flat("#cfccc4"));
  draw(oval(98, 124, 5, 13), flat("#cfccc4"));
  for (const x of [66, 85]) {
    draw(oval(x, 134, 7.4), flat("#fff4d8", 0.35));
    draw(ring(x, 134, 8, 1.5), flat("#8a6a2c"));
    draw(oval(x, 134.5, 1.9), flat("#33261c"));
  }
  draw(box(72.5, 132.5, 5, 1.5), flat("#8a6a2c"));
  draw(area(68, 147, 75, 150, 82, 147, 75, 152.5), flat("#9c5044"));
  draw(ring(75, 106, 8, 1.3), flat("#8a6a2c", 0.9));
  draw(ring(90, 106, 8, 1.3), flat("#8a6a2c", 0.9));
  draw(box(0, 236, 200, 64), fade(236, "#6b4226", 300, "#3a2213"));
  draw(everywhere, glow(154, 200, 120, "#ffcf73", 0.55));
  draw(area(136, 206, 172, 206, 164, 178, 144, 178), flat("#2f6b57"));
  draw(box(138, 204, 32, 3), flat("#ffe7a6"));
  draw(box(152, 206, 4, 34), flat("#b38b45"));
  draw(oval(154, 242, 14, 4), flat("#b38b45"));
  draw(area(34, 250, 76, 256, 76, 280, 30, 272), flat("#f1e6cc"));
  draw(area(76, 256, 120, 250, 124, 272, 76, 280), flat("#e4d5b2"));
  for (const y of [259, 263, 267, 271]) {
    draw(area(40, y - 3, 71, y + 1, 71, y + 2, 40, y - 2), flat("#6b5b48", 0.6));
    draw(area(81, y + 1, 113, y - 3, 113, y - 2, 81, y + 2), flat("#6b5b48", 0.6));
  }
}
