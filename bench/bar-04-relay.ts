import { httpRequest } from "./lib/load.ts";
import { startProgram } from "./lib/process.ts";
import { startProduct } from "./lib/product.ts";
import { type Bench, show } from "./lib/report.ts";
import { interleave, median, ratio } from "./lib/stats.ts";
import { openStreams } from "./lib/streams.ts";

const STREAMS = 1_000;
const ROUNDS = 4;
interface Rate {
  name: string;
  /** To each stream. */
  events: number;
  everyMs: number;
}

/** 10,000 events a second in all: for what keeps up with it. */
const BRISK: Rate = { name: "10 events/s", events: 15, everyMs: 100 };
/**
 * 3,000 in all: the AI SDK can do about 4,000 on a core. Beyond that it would find several events in one
 * read, be several times cheaper for it, and ever later.
 */
const CALM: Rate = { name: "3 events/s", events: 5, everyMs: 333 };

interface Relay {
  port: number;
  cpuMs(): number;
  requests: string[];
  /** Ends every stream that ended well. */
  closingText: string;
}

export const bench: Bench = {
  bar: 4,
  title: "CPU time of one event of a reply, from the provider to the client, with 1,000 streams open",
  async run() {
    const upstream = await startProgram("upstream.ts");
    const product = await startProduct({ providerPort: upstream.port });
    const conversations = await product.conversations(STREAMS);
    upstream.send({ hold: true });
    await upstream.receive("holding");

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
    const [pipe, openaiSdk, streamText] = (await Promise.all(
      ["pipe", "openai-sdk", "stream-text"].map((name) => reference(name, upstream.port)),
    )) as [Relay, Relay, Relay];

    const rounds = await interleave(ROUNDS, {
      pipe: () => eventCpuUs(pipe, [BRISK], upstream),
      product: () => eventCpuUs(ours, [BRISK, CALM], upstream),
      "openai SDK": () => eventCpuUs(openaiSdk, [CALM], upstream),
      streamText: () => eventCpuUs(streamText, [CALM], upstream),
    });
    const of = (name: string, rate: Rate) => (rounds[name] ?? []).map((result) => result.get(rate) as number);
    for (const [name, results] of Object.entries(rounds)) {
      for (const rate of results[0]?.keys() ?? []) {
        show(`${name}, ${rate.name}`, `${median(of(name, rate)).toFixed(1)} µs an event`);
      }
    }
    return [
      {
        what: "product / pipe",
        value: ratio(of("product", BRISK), of("pipe", BRISK)),
        must: "at most",
        limit: 1.15,
      },
      {
        what: "openai SDK / product",
        value: ratio(of("openai SDK", CALM), of("product", CALM)),
        must: "at least",
        limit: 2.3,
      },
      {
        what: "streamText / product",
        value: ratio(of("streamText", CALM), of("product", CALM)),
        must: "at least",
        limit: 9,
      },
    ];
  },
};

async function reference(name: string, upstreamPort: number): Promise<Relay> {
  const running = await startProgram(`references/${name}.ts`, String(upstreamPort));
  const messages = [{ role: "user", content: "Tell me a story." }];
  const body = JSON.stringify({ model: "bench", stream: true, messages });
  const request = httpRequest("POST", "/", { connection: "close" }, body);
  return { ...running, requests: Array(STREAMS).fill(request), closingText: "[DONE]" };
}

/** Opens the streams, and measures from when text came on all of them until the last event has arrived. */
async function eventCpuUs(
  relay: Relay,
  rates: readonly Rate[],
  upstream: { send(message: object): void },
): Promise<Map<Rate, number>> {
  const streams = await openStreams(relay.port, relay.requests);
  let pieces = STREAMS;
  await streams.seen(pieces);
  const cpuUs = new Map<Rate, number>();
  for (const rate of rates) {
    const { events, everyMs } = rate;
    const before = relay.cpuMs();
    upstream.send({ pace: { events, everyMs } });
    pieces += STREAMS * events;
    await streams.seen(pieces);
    cpuUs.set(rate, ((relay.cpuMs() - before) * 1_000) / (STREAMS * events));
  }
  upstream.send({ finish: true });
  await streams.ended(relay.closingText);
  return cpuUs;
}
