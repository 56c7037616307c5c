const ITALIC = { on: "\u001b[3m", off: "\u001b[23m" };
const BOLD = { on: "\u001b[1m", off: "\u001b[22m" };
const STYLES = new Map([
  ["*", ITALIC],
  ["**", BOLD],
  ["***", { on: BOLD.on + ITALIC.on, off: ITALIC.off + BOLD.off }],
]);
const isSpace = (char: string) => char.trim() === "";

/**
 * Shows `*what is done*` in italics, `**what matters**` in bold and `***both***` as both while it comes in pieces.
 * The marks stay, so nothing is lost of a text that means them as they stand. Emphasis ends with its line at the latest.
 */
export function createEmphasis() {
  const open = new Set<string>();
  let last = "\n";
  /** Asterisks that were not shown yet: more may follow. */
  let marks = "";

  const closeAll = () => {
    const codes = [...open].map((mark) => STYLES.get(mark)?.off).join("");
    open.clear();
    return codes;
  };
  const takeMarks = (next: string) => {
    const mark = marks;
    const style = STYLES.get(mark);
    const before = last;
    marks = "";
    if (mark) last = "*";
    if (!style) return mark;
    if (open.has(mark)) {
      if (isSpace(before)) return mark;
      open.delete(mark);
      return mark + style.off;
    }
    if (isSpace(next)) return mark;
    open.add(mark);
    return style.on + mark;
  };

  return {
    /** A piece of text as it is shown; asterisks at its end wait for what follows. */
    push(text: string): string {
      let shown = "";
      for (const char of text) {
        if (char === "*") {
          marks += char;
          continue;
        }
        shown += takeMarks(char);
        if (char === "\n") shown += closeAll();
        shown += char;
        last = char;
      }
      return shown;
    },
    /** What was still waiting, and the end of all emphasis: the next text begins anew. */
    end(): string {
      const rest = takeMarks("\n") + closeAll();
      last = "\n";
      return rest;
    },
  };
}
