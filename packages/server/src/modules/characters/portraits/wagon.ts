import { area, below, box, type Draw, everywhere, fade, flat, glow, oval, ring, scatter } from "./canvas.ts";

/** Cassian Thorne: the painted wagon and its stove, on the old road before dark. */
export function drawWagon(draw: Draw): void {
  draw(everywhere, fade(0, "#3a2a5e", 120, "#e27d4f"));
  draw(
    below(() => 118),
    fade(118, "#e27d4f", 190, "#f6c878"),
  );
  draw(everywhere, glow(60, 168, 110, "#fff0b0", 0.8));
  draw(oval(60, 168, 20), flat("#fff3c4"));
  const next = scatter(12);
  for (let i = 0; i < 24; i++) draw(oval(next() * 200, next() * 60, 0.6), flat("#fff3dc", 0.6));
  for (const [level, height, hex] of [
    [176, 14, "#8a4f63"],
    [194, 12, "#5e3c57"],
    [214, 8, "#3f3247"],
  ] as const) {
    draw(
      below((x) => level - height * Math.sin(x / 34 + level) - 4 * Math.sin(x / 11)),
      flat(hex),
    );
  }
  for (const [x, top, width] of [
    [18, 170, 13],
    [38, 182, 10],
    [4, 188, 9],
  ] as const) {
    draw(area(x, 224, x + 2, top, x + width - 2, top - 4, x + width, 224), flat("#2c2735"));
  }
  draw(
    below((x) => 230 + 3 * Math.sin(x / 20)),
    fade(230, "#5a4634", 300, "#2b2019"),
  );
  draw(area(40, 300, 92, 234, 132, 234, 190, 300), fade(234, "#b08a5c", 300, "#7a5b3a"));
  for (let i = 0; i < 7; i++) {
    draw(
      oval(146 + Math.sin(i * 1.3) * 5 - i * 2.5, 92 - i * 12, 5 + i * 1.7, 4.5 + i * 1.2),
      flat("#e9dccb", 0.34),
    );
  }
  draw(box(142, 96, 7, 26), flat("#2b2730"));
  draw(box(139, 93, 13, 4, 1), flat("#2b2730"));
  draw(oval(128, 146, 56, 34), flat("#b5423c"));
  draw(box(72, 146, 112, 26), flat("#b5423c"));
  draw(box(76, 148, 104, 60, 3), fade(148, "#2f6b6b", 208, "#1f4a4e"));
  for (const x of [80, 97, 145, 162]) draw(box(x, 152, 13, 50, 2), flat("#3a8080", 0.8));
  for (const x of [86, 104, 151, 169]) {
    draw(oval(x, 176, 3.4), flat("#f1c453"));
    draw(oval(x, 186, 2), flat("#e58f6a"));
    draw(oval(x, 166, 2), flat("#e58f6a"));
  }
  draw(box(115, 158, 26, 50, 8), flat("#7a3b2c"));
  draw(box(120, 164, 16, 18, 5), flat("#ffd874"));
  draw(box(127.2, 164, 1.6, 18), flat("#7a3b2c"));
  draw(box(70, 206, 116, 6, 2), flat("#f1c453"));
  for (const x of [96, 162]) {
    draw(ring(x, 222, 20, 4), flat("#3a2418"));
    draw(ring(x, 222, 15.5, 2), flat("#f1c453"));
    for (let spoke = 0; spoke < 6; spoke++) {
      const turn = (spoke * Math.PI) / 6;
      draw(oval(x, 222, 17, 1.1, turn), flat("#3a2418"));
    }
    draw(oval(x, 222, 4), flat("#f1c453"));
  }
  draw(everywhere, glow(40, 258, 62, "#ff9a3c", 0.75));
  draw(area(30, 262, 36, 240, 40, 250, 45, 234, 51, 262), flat("#ffb347"));
  draw(area(35, 262, 39, 250, 42, 255, 44, 246, 47, 262), flat("#fff0b4"));
  draw(oval(40, 263, 15, 3.4), flat("#2b1d14"));
  draw(area(22, 240, 24, 240, 34, 216, 33, 215), flat("#1d1613"));
  draw(area(58, 240, 56, 240, 46, 216, 47, 215), flat("#1d1613"));
  draw(box(30, 218, 20, 14, 5), flat("#24242b"));
  draw(box(28, 217, 24, 3, 1), flat("#3a3a44"));
}
