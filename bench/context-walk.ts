/**
 * Measures bar 11 where it can be seen: inside one process, the store's own `context` against a bare walk
 * over the same rows. Runs with the condition `parley-source`; argument: an empty folder.
 */
import { createHash, randomUUID } from "node:crypto";
import { DatabaseSync } from "node:sqlite";
import { createSqliteMessageStore } from "../packages/server/src/ports/message-store/sqlite.ts";
import { interleave, median } from "./lib/stats.ts";

const MESSAGES = 10_000;
const TOKENS_MAX = 32_000;
const OVERHEAD_TOKENS = 4;
const TOKENS = 66;
const CONTENT =
  "The rain had stopped by the time she reached the harbour, and nobody was waiting there. ".repeat(3);
const ROWS = 128;
type Row = [seq: number, role: string, tokenCount: number, content: string];
const ROUNDS = 9;
const CALLS = 200;

const path = `${process.argv[2]}/context.db`;
const store = createSqliteMessageStore({ path });
const conversationId = randomUUID();
const userId = randomUUID();
await fill();

const db = new DatabaseSync(path, { readOnly: true });
// In pieces: that is faster than to step through one statement row by row.
const downwards = db.prepare(
  `SELECT seq, role, token_count, content FROM messages
   WHERE conversation_id = ? AND seq <= ? ORDER BY seq DESC LIMIT ${ROWS}`,
);
downwards.setReturnArrays(true);

function bareWalk() {
  const messages: object[] = [];
  let left = TOKENS_MAX;
  for (let from = MESSAGES; from > 0; from -= ROWS) {
    for (const [seq, role, tokenCount, content] of downwards.all(conversationId, from) as unknown as Row[]) {
      left -= tokenCount + OVERHEAD_TOKENS;
      if (left < 0) return messages.reverse();
      messages.push({ seq, role, content, tokenCount });
    }
  }
  return messages.reverse();
}

const query = {
  conversationId,
  leafSeq: MESSAGES,
  tokensMax: TOKENS_MAX,
  messageOverheadTokens: OVERHEAD_TOKENS,
};
const context = async () => (await store.context(query)).messages;
if (JSON.stringify(bareWalk()) !== JSON.stringify(await context())) throw new Error("the two walks differ");

async function medianMs(work: () => unknown): Promise<number> {
  const times: number[] = [];
  for (let n = 0; n < CALLS; n++) {
    const startedAt = performance.now();
    await work();
    times.push(performance.now() - startedAt);
  }
  return median(times);
}

const results = await interleave(ROUNDS, {
  bare: () => medianMs(bareWalk),
  product: () => medianMs(context),
});
await store.close();
process.send?.({ results, messages: bareWalk().length });

async function fill(): Promise<void> {
  await store.createConversation({
    id: conversationId,
    userId,
    characterId: randomUUID(),
    title: "",
    settings: {},
    metadata: {},
    tags: [],
    greeting: null,
    at: Date.now(),
  });
  const contentHash = createHash("sha256").update(CONTENT).digest("hex");
  const notes = Array.from({ length: MESSAGES }, () =>
    store.accept({
      conversationId,
      userId,
      message: {
        id: randomUUID(),
        content: CONTENT,
        contentHash,
        tokenCount: TOKENS,
        metadata: {},
        clientMessageId: null,
        requestKey: null,
      },
      turn: null,
      at: Date.now(),
      placesMax: MESSAGES,
      openTurnsMax: 1,
    }),
  );
  await Promise.all(notes);
}
