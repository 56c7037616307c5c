import { createCreators, sendRequest } from "./lib/creates.ts";
import { load } from "./lib/load.ts";
import { startProgram } from "./lib/process.ts";
import { startProduct } from "./lib/product.ts";
import { type Bench, show } from "./lib/report.ts";
import { interleave, median, ratio } from "./lib/stats.ts";

const CLIENTS = 64;
const REQUESTS = 6_400;
const ROUNDS = 5;
/** No more may be open in one conversation than 33. */
const SENDS_PER_CONVERSATION = 16;

export const bench: Bench = {
  bar: 1,
  title: `durable messages (reply: false), ${CLIENTS} clients`,
  async run() {
    const { product, grouped, each, stop } = await createCreators(CLIENTS, REQUESTS);
    const rounds = await interleave(ROUNDS, { grouped, each, product });
    for (const [name, results] of Object.entries(rounds)) {
      const perSecond = median(results.map((result) => result.perSecond));
      const cpuUs = median(results.map((result) => result.cpuUs));
      show(name, `${perSecond.toFixed(0)}/s`, `${cpuUs.toFixed(0)} µs of CPU`);
    }
    await stop();
    show("product, sends with a turn", `${(await sendsPerSecond()).toFixed(0)}/s`);

    const perSecond = (name: string) => (rounds[name] ?? []).map((result) => result.perSecond);
    return [
      {
        what: "throughput, product / grouped insert",
        value: ratio(perSecond("product"), perSecond("grouped")),
        must: "at least",
        limit: 0.6,
      },
      {
        what: "throughput, product / a commit each",
        value: ratio(perSecond("product"), perSecond("each")),
        must: "at least",
        limit: 6,
      },
    ];
  },
};

/** Sends answered a second while the turns of the earlier ones run against a provider of one event. */
async function sendsPerSecond(): Promise<number> {
  const provider = await startProgram("upstream.ts");
  const product = await startProduct({ providerPort: provider.port });
  const runs: number[] = [];
  for (let round = -1; round < 3; round++) {
    const requests = (await product.conversations(CLIENTS)).map((id) => sendRequest(product, id));
    const { perSecond } = await load({
      port: product.port,
      clients: CLIENTS,
      requests: CLIENTS * SENDS_PER_CONVERSATION,
      request: (client) => requests[client] as string,
      status: 202,
    });
    if (round >= 0) runs.push(perSecond);
  }
  await Promise.all([product.stop(), provider.stop()]);
  return median(runs);
}
