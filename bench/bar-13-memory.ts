import { setTimeout as after } from "node:timers/promises";
import { type Running, start } from "./lib/process.ts";
import { freePort, startProduct } from "./lib/product.ts";
import { type Bench, show } from "./lib/report.ts";
import { median } from "./lib/stats.ts";
import { untilAnswers } from "./lib/wait.ts";

const SETTLE_MS = 10_000;
const LOOKS = 5;
const LOOK_EVERY_MS = 1_000;

export const bench: Bench = {
  bar: 13,
  title: "memory of a default install that has nothing to do",
  async run() {
    const port = await freePort();
    const program = new URL("references/first-answer.js", import.meta.url).pathname;
    const bare = start({ args: [program, String(port)] });
    const product = await startProduct({ isPlain: true });
    await untilAnswers(port, "/");
    await after(SETTLE_MS);
    const raw = await look("raw node:http", bare);
    const idle = await look("product", product);
    const [conversation] = (await product.conversations(1)) as [string];
    await product.turn(conversation);
    await after(SETTLE_MS);
    await look("product, after one reply", product);
    return [{ what: "product / raw node:http", value: idle / raw, must: "at most", limit: 1.8 }];
  },
};

/** The median of some looks at what a process has resident; the rest is shown beside it. */
async function look(name: string, running: Running): Promise<number> {
  const seen: ReturnType<Running["memoryMb"]>[] = [];
  for (let n = 0; n < LOOKS; n++) {
    await after(LOOK_EVERY_MS);
    seen.push(running.memoryMb());
  }
  const of = (kind: keyof (typeof seen)[number]) => median(seen.map((one) => one[kind]));
  show(
    name,
    `${of("resident").toFixed(1)} MB resident`,
    `${of("own").toFixed(1)} MB its own`,
    `${of("proportional").toFixed(1)} MB with its share of what others use too`,
  );
  return of("resident");
}
