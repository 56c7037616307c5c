import {
  area,
  below,
  box,
  type Draw,
  everywhere,
  fade,
  flat,
  glow,
  oval,
  scatter,
  without,
} from "./canvas.ts";

/** Tamsin Reed: Skerry Light at night, its lamp lit. */
export function drawLighthouse(draw: Draw): void {
  draw(everywhere, fade(0, "#0b1634", 210, "#3b6280"));
  const next = scatter(7);
  for (let i = 0; i < 70; i++) {
    draw(oval(next() * 200, next() * 150, 0.4 + next() * 0.7), flat("#fdf6dc", 0.35 + next() * 0.6));
  }
  draw(everywhere, glow(42, 52, 62, "#cfe0f0", 0.45));
  draw(without(oval(42, 52, 15), oval(49, 48, 13)), flat("#f4f0dc"));
  draw(area(128, 88, 0, 40, 0, 104), fade(0, "#ffe9a8", 300, "#ffe9a8", 0.32));
  draw(area(128, 88, 200, 62, 200, 108), fade(0, "#ffe9a8", 300, "#ffe9a8", 0.38));
  draw(area(116, 100, 140, 100, 150, 226, 106, 226), fade(100, "#f3ece0", 226, "#bcb9b8"));
  for (const [top, left, right] of [
    [122, 114.3, 141.7],
    [166, 110.8, 145.2],
    [208, 107.4, 148.6],
  ] as const) {
    draw(area(left, top, right, top, right + 1.4, top + 18, left - 1.4, top + 18), flat("#b5423c"));
  }
  draw(area(138, 100, 140, 100, 150, 226, 142, 226), flat("#24304a", 0.25));
  draw(box(112, 96, 32, 5, 1), flat("#2b2f3d"));
  draw(box(118, 78, 20, 18, 2), flat("#ffdf8a"));
  draw(area(114, 79, 142, 79, 128, 62), flat("#8f2f2f"));
  draw(everywhere, glow(128, 88, 70, "#fff0b4", 0.85));
  draw(box(124, 142, 7, 10, 3), flat("#ffd874"));
  draw(box(126, 188, 7, 10, 3), flat("#ffd874"));
  draw(area(70, 250, 92, 222, 118, 216, 146, 218, 168, 230, 200, 262, 200, 300, 60, 300), flat("#1c2230"));
  draw(area(92, 222, 118, 216, 146, 218, 132, 232, 104, 238), flat("#343d50"));
  for (const [level, depth, hex] of [
    [236, 4, "#23506b"],
    [252, 5, "#1a3f58"],
    [270, 5, "#123045"],
  ] as const) {
    draw(
      below((x) => level + depth * Math.sin(x / 13 + level) + 2 * Math.sin(x / 5)),
      flat(hex, 0.93),
    );
  }
  for (let i = 0; i < 16; i++) draw(oval(20 + next() * 60, 240 + next() * 50, 5, 0.6), flat("#f4f0dc", 0.5));
}
