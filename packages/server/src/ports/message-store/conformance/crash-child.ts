/**
 * Writes to the store that its argument names until it is killed, and prints each acknowledged thing as
 * a JSON line, only after the store said that it is durable.
 */
import { writeSync } from "node:fs";
import { type MessageStoreSettings, openMessageStore } from "../index.ts";
import { claimOf, hashOf, NOON, newTurn, USER } from "./wishes.ts";

const [settingsJson, conversationId, run] = process.argv.slice(2) as [string, string, string];
const store = await openMessageStore(JSON.parse(settingsJson) as MessageStoreSettings);
const tell = (line: object) => writeSync(1, `${JSON.stringify(line)}\n`);

async function writer(name: string): Promise<void> {
  for (let n = 0; ; n++) {
    const clientMessageId = `${run}.${name}.${n}`;
    const content = `says ${clientMessageId}`;
    const taken = await store.accept({
      conversationId,
      userId: USER,
      message: {
        id: crypto.randomUUID(),
        content,
        contentHash: hashOf(content),
        tokenCount: 1,
        metadata: {},
        clientMessageId,
        requestKey: null,
      },
      turn: n % 2 === 0 ? newTurn() : null,
      claim: null,
      at: NOON,
      placesMax: 1_000_000,
      openTurnsMax: 1_000_000,
    });
    if (taken.kind !== "accepted") throw new Error(taken.kind);
    tell({ clientMessageId, id: taken.message.id, seq: taken.message.seq });
  }
}

async function runner(): Promise<void> {
  for (;;) {
    const turnId = await store.activeTurnId(conversationId);
    const claim = turnId && (await store.claim(claimOf(turnId, { owner: run })));
    if (!claim) {
      await new Promise(setImmediate);
      continue;
    }
    const content = `reply to ${claim.message.content}`;
    const ended = await store.complete(turnId, claim.epoch, {
      status: "completed",
      replyStatus: "complete",
      content,
      contentHash: hashOf(content),
      tokenCount: 1,
      finishReason: "stop",
      usage: null,
      problem: null,
      attempts: [],
      promptHash: null,
      at: NOON,
    });
    if (ended.kind === "stored") tell({ turnId, content });
  }
}

await Promise.all([...Array.from({ length: 8 }, (_, n) => writer(`w${n}`)), runner()]);
