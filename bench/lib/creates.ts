import { httpRequest, type LoadResult, load } from "./load.ts";
import { dataFolder, startProgram } from "./process.ts";
import { type Product, startProduct } from "./product.ts";

const CONTENT =
  "The rain had stopped by the time she reached the harbour, and nobody was waiting there. ".repeat(3);

export interface Created extends LoadResult {
  cpuUs: number;
}

/** One run of creates, as a contender of `interleave`. */
type Run = () => Promise<Created>;

/** What stores a message for each request: the product without a reply, and the two references. */
export interface Creators {
  product: Run;
  grouped: Run;
  each: Run;
  stop(): Promise<void>;
}

/** `clients` write to a conversation each, `requests` of them all in a run. */
export async function createCreators(clients: number, requests: number): Promise<Creators> {
  const product = await startProduct();
  const conversations = await product.conversations(clients);
  const [grouped, each] = (await Promise.all(
    ["grouped", "each"].map((mode) =>
      startProgram("references/insert.ts", `${dataFolder}/insert-${mode}-${clients}.db`, mode),
    ),
  )) as [Awaited<ReturnType<typeof startProgram>>, Awaited<ReturnType<typeof startProgram>>];

  const ours = conversations.map((id) => noteRequest(product, id));
  const bare = conversations.map((id) =>
    httpRequest("POST", `/${id}`, {}, JSON.stringify({ content: CONTENT })),
  );
  const run =
    (server: { port: number; cpuMs(): number }, texts: string[], count: number): Run =>
    async () => {
      const before = server.cpuMs();
      const request = (client: number) => texts[client] as string;
      const result = await load({ port: server.port, clients, requests: count, request, status: 201 });
      return { ...result, cpuUs: ((server.cpuMs() - before) * 1_000) / result.latenciesMs.length };
    };
  return {
    product: run(product, ours, requests),
    grouped: run(grouped, bare, requests),
    // A commit each is several times slower: fewer of them tell as much.
    each: run(each, bare, Math.ceil(requests / 4)),
    async stop() {
      await Promise.all([product.stop(), grouped.stop(), each.stop()]);
    },
  };
}

/** Stores a message without a reply. */
export const noteRequest = (product: Product, conversationId: string): string =>
  product.request("POST", `/api/v2/conversations/${conversationId}/messages`, {
    content: CONTENT,
    reply: false,
  });

/** Stores a message and the place of its reply, whose turn runs behind the answer. */
export const sendRequest = (product: Product, conversationId: string): string =>
  product.request("POST", `/api/v2/conversations/${conversationId}/messages`, { content: CONTENT });
