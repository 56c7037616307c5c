import { httpRequest, load } from "./lib/load.ts";
import { startProgram } from "./lib/process.ts";
import { startProduct } from "./lib/product.ts";
import { type Bench, show } from "./lib/report.ts";
import { interleave, median, ratio } from "./lib/stats.ts";

const CLIENTS = 64;
const TURNS_PER_CLIENT = 20;
/** Turns of one conversation, so that the history of none grows long. */
const TURNS_PER_CONVERSATION = 5;
const ROUNDS = 5;

interface Server {
  port: number;
  cpuMs(): number;
}

export const bench: Bench = {
  bar: 5,
  title: "a whole turn: both messages stored, a reply of one event streamed",
  async run() {
    const upstream = await startProgram("upstream.ts");
    const product = await startProduct({ providerPort: upstream.port });
    const pipe = await startProgram("references/pipe.ts", String(upstream.port));
    const body = JSON.stringify({
      model: "bench",
      stream: true,
      messages: [{ role: "user", content: "Hello." }],
    });
    const bare = httpRequest("POST", "/v1/chat/completions", {}, body);

    const rounds = await interleave(ROUNDS, {
      "provider alone": () => measure(upstream, () => bare),
      pipe: () => measure(pipe, () => bare),
      product: async () => {
        const conversations = await product.conversations(
          (CLIENTS * TURNS_PER_CLIENT) / TURNS_PER_CONVERSATION,
        );
        const requests = conversations.map((id) =>
          product.request(
            "POST",
            `/api/v2/conversations/${id}/messages`,
            { content: "Hello." },
            { accept: "text/event-stream" },
          ),
        );
        const of = (client: number, n: number) => client + CLIENTS * Math.floor(n / TURNS_PER_CONVERSATION);
        return measure(product, (client, n) => requests[of(client, n)] as string);
      },
    });
    for (const [name, results] of Object.entries(rounds)) {
      const cpuUs = median(results.map((result) => result.cpuUs));
      const firstMs = median(results.map((result) => result.firstMs));
      show(name, `${cpuUs.toFixed(0)} µs of CPU`, `first text p50 ${firstMs.toFixed(2)} ms`);
    }
    const of = (name: string, figure: "cpuUs" | "firstMs") =>
      (rounds[name] ?? []).map((result) => result[figure]);
    const added = (name: string) =>
      of(name, "firstMs").map((ms, round) => ms - (of("provider alone", "firstMs")[round] as number));
    return [
      {
        what: "CPU, product / pipe",
        value: ratio(of("product", "cpuUs"), of("pipe", "cpuUs")),
        must: "at most",
        limit: 2,
      },
      {
        what: "added first text, product / pipe",
        value: ratio(added("product"), added("pipe")),
        must: "at most",
        limit: 1.6,
      },
    ];
  },
};

async function measure({ port, cpuMs }: Server, request: (client: number, n: number) => string) {
  const before = cpuMs();
  const requests = CLIENTS * TURNS_PER_CLIENT;
  const { firstTextMs } = await load({ port, clients: CLIENTS, requests, request, status: 200 });
  return { firstMs: median(firstTextMs), cpuUs: ((cpuMs() - before) * 1_000) / requests };
}
