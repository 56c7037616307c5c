const QUIET_MS = 1_000;
const EVERY_MS = 200;

/** Says how far a long work is, on one line of a terminal, once it has taken a second. */
export interface Progress {
  /** `part` from 0 to 1. */
  show(what: string, part: number): void;
  /** Says at once what begins: for work that holds this process, so that nothing could be said later. */
  begin(what: string): void;
  /** Takes the line away. */
  end(): void;
}

/** On standard error, so that standard output stays the result; silent where that is no terminal. */
export function createProgress(isTerminal = process.stderr.isTTY): Progress {
  const startedAt = performance.now();
  let shownAt = Number.NEGATIVE_INFINITY;
  let isShown = false;
  const clear = () => void process.stderr.write("\r\u001b[K");
  const draw = (line: string) => {
    isShown = true;
    clear();
    process.stderr.write(line);
  };
  return {
    show(what, part) {
      const now = performance.now();
      if (!isTerminal || now - startedAt < QUIET_MS || now - shownAt < EVERY_MS) return;
      shownAt = now;
      draw(`${what} … ${Math.floor(part * 100)} %`);
    },
    begin(what) {
      if (isTerminal) draw(`${what} …`);
    },
    end() {
      if (isShown) clear();
      isShown = false;
    },
  };
}

const UNITS = ["bytes", "kB", "MB", "GB", "TB"];

/** A size as people say it: `12.3 MB`. */
export function sizeText(bytes: number): string {
  let value = bytes;
  let unit = 0;
  for (; value >= 1_000 && unit < UNITS.length - 1; unit++) value /= 1_000;
  return `${unit === 0 ? value : value.toFixed(1)} ${UNITS[unit]}`;
}

/** `1 message`, `2 messages`. */
export const counted = (n: number, plural: string): string =>
  n === 1 ? `1 ${plural.replace(/s$/, "")}` : `${n} ${plural}`;
