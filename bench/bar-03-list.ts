import assert from "node:assert/strict";
import { noteRequest } from "./lib/creates.ts";
import { httpRequest, load } from "./lib/load.ts";
import { startProgram } from "./lib/process.ts";
import { type Product, startProduct } from "./lib/product.ts";
import { type Bench, show } from "./lib/report.ts";
import { interleave, median, ratio } from "./lib/stats.ts";

const CLIENTS = 16;
const REQUESTS = 3_200;
const ROUNDS = 5;
const SHORT = 100;
const LONG = 10_000;

interface Server {
  port: number;
  cpuMs(): number;
}

export const bench: Bench = {
  bar: 3,
  title: "the last 50 messages of a conversation",
  async run() {
    const product = await startProduct();
    const [short, long] = (await product.conversations(2)) as [string, string];
    await fill(product, short, SHORT);
    await fill(product, long, LONG);
    const bare = await startProgram("references/list.ts", `${product.folder}/data/messages.db`);
    await checkSameAnswer(product, bare.port, long);

    const ours = (id: string) => product.request("GET", listPath(id));
    const rounds = await interleave(ROUNDS, {
      "same statement, raw": () => measure(bare, httpRequest("GET", `/${long}`)),
      "product, of 10,000": () => measure(product, ours(long)),
      "product, of 100": () => measure(product, ours(short)),
    });
    for (const [name, results] of Object.entries(rounds)) {
      const perSecond = median(results.map((result) => result.perSecond));
      const cpuUs = median(results.map((result) => result.cpuUs));
      show(name, `${perSecond.toFixed(0)}/s`, `${cpuUs.toFixed(0)} µs of CPU`);
    }
    const of = (name: string, figure: "cpuUs" | "perSecond") =>
      (rounds[name] ?? []).map((result) => result[figure]);
    return [
      {
        what: "throughput, product / raw",
        value: ratio(of("product, of 10,000", "perSecond"), of("same statement, raw", "perSecond")),
        must: "at least",
        limit: 0.7,
      },
      {
        what: "CPU time, of 10,000 / of 100",
        value: ratio(of("product, of 10,000", "cpuUs"), of("product, of 100", "cpuUs")),
        must: "at most",
        limit: 1.1,
      },
    ];
  },
};

const listPath = (id: string) => `/api/v2/conversations/${id}/messages?limit=50`;

async function fill(product: Product, conversation: string, count: number): Promise<void> {
  const request = noteRequest(product, conversation);
  const clients = Math.min(count, 50);
  await load({ port: product.port, clients, requests: count, request: () => request, status: 201 });
}

/** Both must give the very same messages, or the comparison is of different work. */
async function checkSameAnswer(product: Product, barePort: number, id: string): Promise<void> {
  const ours = await product.call<{ items: object[] }>("GET", listPath(id));
  const raw = (await (await fetch(`http://127.0.0.1:${barePort}/${id}`)).json()) as { items: object[] };
  assert.deepEqual(raw.items, ours.items);
}

async function measure({ port, cpuMs }: Server, request: string) {
  const before = cpuMs();
  const { perSecond } = await load({
    port,
    clients: CLIENTS,
    requests: REQUESTS,
    request: () => request,
    status: 200,
  });
  return { perSecond, cpuUs: ((cpuMs() - before) * 1_000) / REQUESTS };
}
