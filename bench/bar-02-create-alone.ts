import { createCreators } from "./lib/creates.ts";
import { type Bench, show } from "./lib/report.ts";
import { interleave, median, ratio } from "./lib/stats.ts";

const REQUESTS = 400;
const ROUNDS = 9;

export const bench: Bench = {
  bar: 2,
  title: "a durable message (reply: false), one client",
  async run() {
    const { product, grouped } = await createCreators(1, REQUESTS);
    const rounds = await interleave(ROUNDS, { grouped, product });
    for (const [name, results] of Object.entries(rounds)) {
      const p50Ms = median(results.map(({ latenciesMs }) => median(latenciesMs)));
      const cpuUs = median(results.map((result) => result.cpuUs));
      show(name, `p50 ${p50Ms.toFixed(3)} ms`, `${cpuUs.toFixed(0)} µs of CPU`);
    }
    const p50s = (name: string) => (rounds[name] ?? []).map(({ latenciesMs }) => median(latenciesMs));
    return [
      {
        what: "p50, product / grouped insert",
        value: ratio(p50s("product"), p50s("grouped")),
        must: "at most",
        limit: 1.5,
      },
    ];
  },
};
