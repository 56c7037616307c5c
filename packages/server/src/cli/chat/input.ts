import { createInterface } from "node:readline";
import { Writable } from "node:stream";

/** Lines typed ahead of a running reply, at most; what comes after them is not taken. */
const AHEAD_MAX = 100;
const HISTORY_MAX = 200;

/** What stands on the line that is being typed. */
export interface Typed {
  readonly text: string;
  clear(): void;
  /** Shows prompt and text again, below what was printed. */
  show(): void;
}

/** Where what a person says comes from. */
export interface Input {
  /** The next thing said, null at the end. `prompt` is shown before it where someone types. */
  next(prompt: string): Promise<string | null>;
  /** What was said before, newest first, for the arrow keys. */
  remember(said: readonly string[]): void;
  /** Hears of each Ctrl-C. */
  onInterrupt(listener: (typed: Typed) => void): void;
  /** Hears that no more will come: Ctrl-D. */
  onEnd(listener: () => void): void;
  close(): void;
}

/** A line editor on the terminal. */
export function createTerminalInput(): Input {
  const { stdin, stdout } = process;
  let isMuted = true;
  // While a reply streams, what is typed must not land in the middle of it: it shows with the next prompt.
  const output = Object.assign(
    new Writable({
      write(chunk, _encoding, done) {
        if (!isMuted) stdout.write(chunk);
        done();
      },
    }),
    { isTTY: true, columns: stdout.columns },
  );
  stdout.on("resize", () => {
    output.columns = stdout.columns;
    output.emit("resize");
  });
  const lines = createInterface({ input: stdin, output, terminal: true, historySize: HISTORY_MAX });
  const queue: string[] = [];
  let burst: string[] = [];
  let wake: (() => void) | null = null;
  let isClosed = false;
  const rouse = () => {
    wake?.();
    wake = null;
  };

  lines.on("line", (line) => {
    if (burst.push(line) > 1) return;
    // Several lines in one go are a pasted text: one message, unless it is commands.
    setImmediate(() => {
      const isText = !burst.some((each) => each.startsWith("/"));
      const said = isText ? [burst.join("\n")] : burst;
      burst = [];
      queue.push(...said.slice(0, AHEAD_MAX - queue.length));
      rouse();
    });
  });
  lines.on("close", () => {
    isClosed = true;
    rouse();
  });

  return {
    async next(prompt) {
      if (queue.length === 0 && !isClosed) {
        isMuted = false;
        lines.setPrompt(prompt);
        lines.prompt(true);
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
        isMuted = true;
      }
      return queue.shift() ?? null;
    },
    remember(said) {
      // Public, but missing in the types (https://nodejs.org/api/readline.html, option `history`).
      const { history } = lines as typeof lines & { history: string[] };
      history.push(...said.filter((text) => !text.includes("\n")).slice(0, HISTORY_MAX - history.length));
    },
    onInterrupt: (listener) =>
      void lines.on("SIGINT", () =>
        listener({
          text: lines.line,
          show: () => lines.prompt(true),
          clear() {
            for (const name of ["e", "u"]) lines.write(null, { ctrl: true, name });
          },
        }),
      ),
    onEnd: (listener) => void lines.on("close", listener),
    close: () => lines.close(),
  };
}

/** Lines from a pipe or a file. */
export function createPipeInput(): Input {
  const lines = createInterface({ input: process.stdin, terminal: false });
  const iterator = lines[Symbol.asyncIterator]();
  const { promise: isClosed, resolve: leave } = Promise.withResolvers<null>();
  return {
    async next() {
      const item = await Promise.race([iterator.next(), isClosed]);
      return item === null || item.done ? null : item.value;
    },
    remember: () => {},
    onInterrupt: hearInterrupts,
    onEnd: () => {},
    close() {
      leave(null);
      lines.close();
      process.stdin.destroy();
    },
  };
}

/** One thing said, and no more. */
export function createSingleInput(text: string): Input {
  const rest = [text];
  return {
    next: async () => rest.pop() ?? null,
    remember: () => {},
    onInterrupt: hearInterrupts,
    onEnd: () => {},
    close() {},
  };
}

const ECHO_MS = 500;

/** Ctrl-C where no line editor reads it; a terminal sends it to us and to the launcher, which passes it on. */
function hearInterrupts(listener: Parameters<Input["onInterrupt"]>[0]): void {
  let last = Number.NEGATIVE_INFINITY;
  process.on("SIGINT", () => {
    const now = performance.now();
    if (now - last > ECHO_MS) listener({ text: "", clear() {}, show() {} });
    last = now;
  });
}
