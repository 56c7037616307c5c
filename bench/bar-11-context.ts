import { mkdirSync } from "node:fs";
import { dataFolder, start, withTimeout } from "./lib/process.ts";
import { type Bench, show } from "./lib/report.ts";
import { median, ratio } from "./lib/stats.ts";

const TIMEOUT_MS = 80_000;

export const bench: Bench = {
  bar: 11,
  title: "a context of 32,000 tokens from a conversation of 10,000 messages",
  async run() {
    const folder = `${dataFolder}/context`;
    mkdirSync(folder);
    const program = new URL("context-walk.ts", import.meta.url).pathname;
    const running = start({ args: ["-C", "parley-source", program, folder], folder });
    const sent = await withTimeout(running.receive("results"), TIMEOUT_MS, "the walks did not end");
    const { bare, product } = sent.results as { bare: number[]; product: number[] };
    show("messages in it", String(sent.messages));
    show("bare walk", `${median(bare).toFixed(3)} ms`);
    show("the store's context", `${median(product).toFixed(3)} ms`);
    return [{ what: "time, product / bare walk", value: ratio(product, bare), must: "at most", limit: 1.5 }];
  },
};
