import { httpRequest, type Load, load } from "./lib/load.ts";
import { startProgram } from "./lib/process.ts";
import { startProduct } from "./lib/product.ts";
import { type Bench, show } from "./lib/report.ts";
import { interleave, median, ratio } from "./lib/stats.ts";

const CLIENTS = 32;
const REQUESTS = 12_800;
const ROUNDS = 5;

interface Server {
  port: number;
  cpuMs(): number;
}

export const bench: Bench = {
  bar: 14,
  title: "an authenticated request through the router (GET /api/v2/users/me with an API key)",
  async run() {
    const product = await startProduct();
    const { secret } = await product.call<{ secret: string }>("POST", "/api/v2/keys", { name: "bench" });
    const me = await product.call<object>("GET", "/api/v2/users/me");
    const plain = await startProgram("references/plain.ts", JSON.stringify(me));

    const get = (path: string) => httpRequest("GET", path, { authorization: `Bearer ${secret}` });
    const request = get("/api/v2/users/me");
    const rounds = await interleave(ROUNDS, {
      "raw node:http": () => measure(plain, request),
      product: () => measure(product, request),
      // Beside it, to tell the router from the store: a call that reads nothing, and one without a key.
      "product, GET /models": () => measure(product, get("/api/v2/models")),
      "product, GET /live": () => measure(product, httpRequest("GET", "/live")),
    });
    for (const [name, results] of Object.entries(rounds)) {
      const cpuUs = median(results.map((result) => result.cpuUs));
      const perSecond = median(results.map((result) => result.perSecond));
      show(name, `${cpuUs.toFixed(1)} µs of CPU`, `${perSecond.toFixed(0)}/s`);
    }
    const of = (name: string, figure: "cpuUs" | "perSecond") =>
      (rounds[name] ?? []).map((result) => result[figure]);
    return [
      {
        what: "CPU time, product / raw",
        value: ratio(of("product", "cpuUs"), of("raw node:http", "cpuUs")),
        must: "at most",
        limit: 1.5,
      },
      {
        what: "throughput, product / raw",
        value: ratio(of("product", "perSecond"), of("raw node:http", "perSecond")),
        must: "at least",
        limit: 0.75,
      },
    ];
  },
};

async function measure({ port, cpuMs }: Server, request: string) {
  const asked: Load = { port, clients: CLIENTS, requests: REQUESTS, request: () => request, status: 200 };
  const before = cpuMs();
  const { perSecond } = await load(asked);
  return { perSecond, cpuUs: ((cpuMs() - before) * 1_000) / REQUESTS };
}
