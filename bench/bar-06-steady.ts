import { splitCores } from "./lib/cores.ts";
import { httpRequest } from "./lib/load.ts";
import { type Running, startProgram, startProgramOn } from "./lib/process.ts";
import { startProduct } from "./lib/product.ts";
import { type Bench, show } from "./lib/report.ts";
import { readStamp } from "./lib/stamp.ts";
import { interleave, median, quantile, ratio } from "./lib/stats.ts";
import { openStreams } from "./lib/streams.ts";

const STREAMS = 1_000;
/** 20 events a second to each stream, for five seconds. */
const PACE = { events: 100, everyMs: 50, isStamped: true };
const ROUNDS = 4;
const CORE_SHARE_MAX = 0.75;

interface Relay {
  port: number;
  cpuMs(): number;
  requests: string[];
  /** Ends every stream that ended well. */
  closingText: string;
}

interface Seen {
  tookMs: number[];
  /** Of one core. */
  share: number;
  /** Of another, for the provider and the clients. */
  othersShare: number;
}

export const bench: Bench = {
  bar: 6,
  title: "1,000 streams of 20 events a second each through a server that has one core",
  async run() {
    const cores = splitCores();
    const upstream = await startProgram("upstream.ts");
    const product = await startProduct({ providerPort: upstream.port, core: cores.server });
    const bare = await startProgramOn(cores.server, "references/pipe.ts", String(upstream.port));
    const conversations = await product.conversations(STREAMS);
    upstream.send({ hold: true });
    await upstream.receive("holding");

    const messages = [{ role: "user", content: "Tell me a story." }];
    const body = JSON.stringify({ model: "bench", stream: true, messages });
    const pipe: Relay = {
      ...bare,
      requests: Array(STREAMS).fill(httpRequest("POST", "/", { connection: "close" }, body)),
      closingText: "[DONE]",
    };
    const ours: Relay = {
      ...product,
      requests: conversations.map((id) =>
        product.request(
          "POST",
          `/api/v2/conversations/${id}/messages`,
          { content: "Tell me a story." },
          { accept: "text/event-stream", connection: "close" },
        ),
      ),
      closingText: "turn.completed",
    };
    const rounds = await interleave(ROUNDS, {
      pipe: () => measure(pipe, upstream),
      product: () => measure(ours, upstream),
    });
    cores.release();
    const p99 = (name: string) => (rounds[name] ?? []).map(({ tookMs }) => quantile(tookMs, 0.99));
    const share = (name: string) => median((rounds[name] ?? []).map((seen) => seen.share));
    for (const [name, results] of Object.entries(rounds)) {
      const p50 = median(results.map(({ tookMs }) => median(tookMs)));
      const othersShare = median(results.map((seen) => seen.othersShare));
      show(
        name,
        `p50 ${p50.toFixed(2)} ms`,
        `p99 ${median(p99(name)).toFixed(2)} ms`,
        `${(share(name) * 100).toFixed(0)} % of the core`,
        `(provider and clients ${(othersShare * 100).toFixed(0)} % of theirs)`,
      );
    }
    return [
      { what: "p99, product / pipe", value: ratio(p99("product"), p99("pipe")), must: "at most", limit: 1.5 },
      {
        what: `share of the core, product / ${CORE_SHARE_MAX * 100} %`,
        value: share("product") / CORE_SHARE_MAX,
        must: "at most",
        limit: 1,
      },
    ];
  },
};

/** Throws where an event is missing, comes twice or before an earlier one. */
async function measure(relay: Relay, upstream: Running): Promise<Seen> {
  const tookMs: number[] = [];
  const next = new Int32Array(STREAMS).fill(-1);
  let broken: string | undefined;
  const streams = await openStreams(relay.port, relay.requests, (stream, read, markAt) => {
    const wanted = next[stream] as number;
    next[stream] = wanted + 1;
    // What each stream begins with has no stamp; behind the last event ours repeats the whole text.
    if (wanted === -1 || wanted >= PACE.events) return;
    const { number, tookMs: took } = readStamp(read, markAt);
    if (number !== wanted) broken ??= `stream ${stream} brought event ${number} where ${wanted} was due`;
    tookMs.push(took);
  });
  await streams.seen(STREAMS);
  const before = relay.cpuMs();
  const othersBefore = othersMs(upstream);
  const startedAt = performance.now();
  upstream.send({ pace: PACE });
  await streams.seen(STREAMS * (PACE.events + 1));
  const elapsedMs = performance.now() - startedAt;
  const share = (relay.cpuMs() - before) / elapsedMs;
  const othersShare = (othersMs(upstream) - othersBefore) / elapsedMs;
  upstream.send({ finish: true });
  await streams.ended(relay.closingText);
  if (broken !== undefined) throw new Error(broken);
  return { tookMs, share, othersShare };
}

function othersMs(upstream: Running): number {
  const { user, system } = process.cpuUsage();
  return upstream.cpuMs() + (user + system) / 1_000;
}
