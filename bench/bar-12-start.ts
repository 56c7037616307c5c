import { millionFolder } from "./lib/million.ts";
import { dataFolder, start, startProgram } from "./lib/process.ts";
import { freePort, launchProduct, type ProductOptions, startProduct } from "./lib/product.ts";
import { type Bench, show } from "./lib/report.ts";
import { interleave, median, ratio } from "./lib/stats.ts";
import { untilAnswers } from "./lib/wait.ts";

const ROUNDS = 9;

interface Started {
  /** Until the listener answered. */
  answeredMs: number;
  /** Until the reply was stored; for what stores nothing the same. */
  repliedMs: number;
}

export const bench: Bench = {
  bar: 12,
  title: "from the start of the process to the first stored reply",
  async run() {
    const million = await millionFolder();
    const upstream = await startProgram("upstream.ts");
    const used = `${dataFolder}/used`;
    const options = { providerPort: upstream.port };
    const conversationOf = async (folder: string) => {
      const product = await startProduct({ ...options, folder });
      const [id] = await product.conversations(1);
      await product.stop();
      return id as string;
    };
    const emptyId = await conversationOf(used);
    const millionId = await conversationOf(million);
    const rounds = await interleave(ROUNDS, {
      "raw node:http": firstAnswer,
      "product, new folder": () => firstReply(options, null),
      "product, no messages": () => firstReply({ ...options, folder: used }, emptyId),
      "product, a million": () => firstReply({ ...options, folder: million }, millionId),
    });
    const of = (name: string) => (rounds[name] ?? []).map(({ repliedMs }) => repliedMs);
    for (const [name, results] of Object.entries(rounds)) {
      const answered = median(results.map(({ answeredMs }) => answeredMs));
      show(
        name,
        `listens after ${answered.toFixed(0)} ms`,
        `first reply after ${median(of(name)).toFixed(0)} ms`,
      );
    }
    return [
      {
        what: "product, new folder / raw node:http",
        value: ratio(of("product, new folder"), of("raw node:http")),
        must: "at most",
        limit: 4,
      },
      {
        what: "product, a million messages / none",
        value: ratio(of("product, a million"), of("product, no messages")),
        must: "at most",
        limit: 1.2,
      },
    ];
  },
};

async function firstAnswer(): Promise<Started> {
  const program = new URL("references/first-answer.js", import.meta.url).pathname;
  const port = await freePort();
  const startedAt = performance.now();
  const running = start({ args: [program, String(port)] });
  await untilAnswers(port, "/");
  const answeredMs = performance.now() - startedAt;
  await running.stop();
  return { answeredMs, repliedMs: answeredMs };
}

/** In a conversation that is there, or in a new one with a character that Parley brings. */
async function firstReply(options: ProductOptions, conversationId: string | null): Promise<Started> {
  const startedAt = performance.now();
  const product = await launchProduct(options);
  await untilAnswers(product.port, "/live");
  const answeredMs = performance.now() - startedAt;
  await product.turn(conversationId ?? (await newConversation(product)));
  const repliedMs = performance.now() - startedAt;
  await product.stop();
  return { answeredMs, repliedMs };
}

async function newConversation(product: Awaited<ReturnType<typeof launchProduct>>): Promise<string> {
  const { items } = await product.call<{ items: { id: string }[] }>("GET", "/api/v2/characters?limit=1");
  const character_ids = items.map(({ id }) => id);
  return (await product.call<{ id: string }>("POST", "/api/v2/conversations", { character_ids })).id;
}
