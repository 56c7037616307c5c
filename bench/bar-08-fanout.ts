import { startProgram, withTimeout } from "./lib/process.ts";
import { startProduct } from "./lib/product.ts";
import { type Bench, show } from "./lib/report.ts";
import { askAndAnswer, type BareSocket, clientFrame, openSockets, socketPaths } from "./lib/sockets.ts";
import { interleave, median, ratio } from "./lib/stats.ts";

const SOCKETS = 1_000;
const EVENTS = 60;
const EVERY_MS = 50;
const ROUNDS = 5;
const TIMEOUT_MS = 30_000;

export const bench: Bench = {
  bar: 8,
  title: "CPU time of one event of a reply to one of 1,000 sockets that subscribe to its conversation",
  async run() {
    const upstream = await startProgram("upstream.ts");
    const product = await startProduct({ providerPort: upstream.port });
    const echo = await startProgram("references/ws-echo.ts");
    const [conversation] = (await product.conversations(1)) as [string];
    upstream.send({ hold: true });
    await upstream.receive("holding");

    const theirs = await openSockets(echo.port, Array(SOCKETS).fill("/"));
    const ours = await openSockets(product.port, await socketPaths(product, SOCKETS));
    const subscribe = clientFrame(
      JSON.stringify({ type: "conversation.subscribe", id: "s", conversation_id: conversation }),
    );
    await askAndAnswer(
      ours,
      SOCKETS,
      () => subscribe,
      (payload) => payload.includes('"ack"'),
    );

    // The reply begins on every socket; what is measured is its middle.
    const begun = counted(ours, SOCKETS);
    await product.call("POST", `/api/v2/conversations/${conversation}/messages`, { content: "Tell me." });
    const first = await begun;
    const rounds = await interleave(ROUNDS, {
      "ws, frame built once": () =>
        fanOut(echo, theirs, () => echo.send({ fan: { text: first, events: EVENTS, everyMs: EVERY_MS } })),
      product: () =>
        fanOut(product, ours, () => upstream.send({ pace: { events: EVENTS, everyMs: EVERY_MS } })),
    });
    upstream.send({ finish: true });
    const of = (name: string) => rounds[name] as number[];
    for (const name of Object.keys(rounds)) {
      show(name, `${median(of(name)).toFixed(2)} µs an event and socket`, `${first.length} bytes`);
    }
    return [
      {
        what: "events for the same CPU, product / ws",
        value: ratio(of("ws, frame built once"), of("product")),
        must: "at least",
        limit: 0.9,
      },
    ];
  },
};

async function fanOut(
  server: { cpuMs(): number },
  sockets: BareSocket[],
  begin: () => void,
): Promise<number> {
  const all = counted(sockets, SOCKETS * EVENTS);
  const before = server.cpuMs();
  begin();
  await all;
  return ((server.cpuMs() - before) * 1_000) / (SOCKETS * EVENTS);
}

/** Resolves with the last of so many deltas. */
function counted(sockets: readonly BareSocket[], count: number): Promise<string> {
  let seen = 0;
  const all = new Promise<string>((resolve) => {
    for (const socket of sockets) {
      socket.onFrame = (payload) => {
        if (payload.includes('"reply.delta"') && ++seen === count) resolve(payload.toString());
      };
    }
  });
  return withTimeout(all, TIMEOUT_MS, `${count} events did not arrive`);
}
