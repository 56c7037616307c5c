/**
 * CPU time of the product for one and the same work, where much has happened against where little has. 1.00x is what
 * must come out: cost may not grow with the history, nor with the number of clients.
 */
import { load } from "./lib/load.ts";
import { filledFolder, millionFolder } from "./lib/million.ts";
import { dataFolder, startProgram } from "./lib/process.ts";
import { type Product, startProduct } from "./lib/product.ts";
import { show } from "./lib/report.ts";
import { askAndAnswer, clientFrame, openSockets, socketPaths } from "./lib/sockets.ts";
import { interleave, median, ratio } from "./lib/stats.ts";

const ROUNDS = 3;
const CLIENTS = 16;
const FEW = 10;
const MANY = 1_000;
const CONVERSATIONS = 32;
const SHORT = 100;
const LONG = 10_000;
const CALLS = 1_600;
const TURNS = 320;
/** So that opening the connections is little of it. */
const CALLS_EACH_MIN = 4;

/** Where calls go: the product, and the conversations that clients take in turn. */
interface Place {
  product: Product;
  conversations: string[];
  /** An ended turn of each. */
  turns: string[];
  clients: number;
}

/** Runs it so many times, and gives the CPU time of the server in microseconds for each. */
type Measure = (place: Place) => Promise<number>;

const path = (id: string | undefined) => `/api/v2/conversations/${id}/messages`;

/** Each client goes round the conversations, so that none grows much meanwhile. */
const calls =
  (least: number, status: number, request: (place: Place, n: number) => string): Measure =>
  (place) => {
    const { product, clients, conversations } = place;
    const { port } = product;
    const requests = Math.max(least, clients * CALLS_EACH_MIN);
    return cpuUs(product, requests, async () => {
      const which = (client: number, n: number) => (client + n * clients) % conversations.length;
      await load({
        port,
        clients,
        requests,
        status,
        request: (client, n) => request(place, which(client, n)),
      });
    });
  };

const operations: Record<string, Measure> = {
  "send, no reply": calls(CALLS, 201, ({ product, conversations }, n) =>
    product.request("POST", path(conversations[n]), { content: "A note.", reply: false }),
  ),
  "send with a turn": calls(TURNS, 200, ({ product, conversations }, n) =>
    product.request("POST", path(conversations[n]), { content: "Hello." }, { accept: "text/event-stream" }),
  ),
  list: calls(CALLS, 200, ({ product, conversations }, n) =>
    product.request("GET", `${path(conversations[n])}?limit=50`),
  ),
  "start of a stream": calls(CALLS, 200, ({ product, turns }, n) =>
    product.request("GET", `/api/v2/turns/${turns[n]}/events`),
  ),
  async subscribe({ product, conversations, clients }) {
    const sockets = await openSockets(product.port, await socketPaths(product, clients));
    const frames = conversations.map((conversation_id) =>
      clientFrame(JSON.stringify({ type: "conversation.subscribe", id: "s", conversation_id })),
    );
    const frame = (socket: number, n: number) => frames[(socket + n * clients) % frames.length] as Buffer;
    const count = Math.max(CALLS, clients * CALLS_EACH_MIN);
    const us = await cpuUs(product, count, async () => {
      await askAndAnswer(sockets, count, frame, (payload) => payload.includes('{"type":"ack"'));
    });
    for (const socket of sockets) socket.close();
    return us;
  },
};

async function cpuUs(product: Product, count: number, run: () => Promise<void>): Promise<number> {
  const before = product.cpuMs();
  await run();
  return ((product.cpuMs() - before) * 1_000) / count;
}
/** Prints the table; says nothing about what is good. */
export async function run(): Promise<boolean> {
  const upstream = await startProgram("upstream.ts");
  const folder = `${dataFolder}/lengths`;
  const [short = [], long = []] = await filledFolder(
    folder,
    { conversations: CONVERSATIONS, messagesEach: SHORT, prefix: "01900001" },
    { conversations: CONVERSATIONS, messagesEach: LONG, prefix: "01900002" },
  );
  const env = {
    PARLEY_MESSAGES_PER_CONVERSATION_MAX: String(LONG * 2),
    // Few enough that a hundred messages fill it: what goes to the provider is the same everywhere.
    PARLEY_CONTEXT_TOKENS_MAX: "4000",
  };
  const options = { providerPort: upstream.port, env };
  const lengths = await startProduct({ ...options, folder });
  const empty = await startProduct(options);
  const million = await startProduct({ ...options, folder: await millionFolder() });
  const fresh = await empty.conversations(MANY);

  const axes: Record<string, [less: Place, more: Place]> = {
    "10,000 messages in it / 100": [await place(lengths, short), await place(lengths, long)],
    "1,000 clients / 10": [await place(empty, fresh, FEW), await place(empty, fresh, MANY)],
    "a million stored / none": [
      await place(empty, fresh.slice(0, CONVERSATIONS)),
      await place(million, await million.conversations(CONVERSATIONS)),
    ],
  };
  for (const [axis, [less, more]] of Object.entries(axes)) {
    console.log(`  ${axis}`);
    for (const [name, measure] of Object.entries(operations)) {
      const seen = await interleave(ROUNDS, { less: () => measure(less), more: () => measure(more) });
      const of = (side: string) => seen[side] as number[];
      const us = (side: string) => `${median(of(side)).toFixed(0)} µs`;
      show(`  ${name}`, `${us("less")} → ${us("more")}`, `${ratio(of("more"), of("less")).toFixed(2)}x`);
    }
  }
  return true;
}

/** Sees to a turn in each conversation. */
async function place(product: Product, conversations: string[], clients = CLIENTS): Promise<Place> {
  const turns = await Promise.all(
    conversations.slice(0, CONVERSATIONS).map(async (id) => {
      const find = async () =>
        (await product.call<{ items: { role: string; turn_id?: string }[] }>("GET", path(id))).items.findLast(
          ({ role, turn_id }) => role === "assistant" && turn_id !== undefined,
        )?.turn_id;
      const known = await find();
      if (known === undefined) await product.turn(id);
      return known ?? ((await find()) as string);
    }),
  );
  const turnOf = (n: number) => turns[n % turns.length] as string;
  return { product, conversations, turns: conversations.map((_, n) => turnOf(n)), clients };
}
