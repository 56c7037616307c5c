import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import type { MessageStoreSettings } from "../index.ts";
import { openMessageStore } from "../index.ts";
import type { FreshPlace } from "./place.ts";
import { everything, makeConversation, openTurns, USER } from "./wishes.ts";

const CHILD = fileURLToPath(new URL("crash-child.ts", import.meta.url));
const ROUNDS = 4;

interface Acknowledged {
  clientMessageId?: string;
  id?: string;
  seq?: number;
  turnId?: string;
  content?: string;
}

/** Lets a process write, kills it after so many acknowledgements, and gives all that it heard. */
async function writeUntilKilled(
  settings: MessageStoreSettings,
  conversationId: string,
  run: string,
  lines: number,
) {
  const args = ["-C", "parley-source", "--no-warnings", CHILD, JSON.stringify(settings), conversationId, run];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
  const ended = once(child, "close");
  const acknowledged: Acknowledged[] = [];
  for await (const line of createInterface({ input: child.stdout })) {
    acknowledged.push(JSON.parse(line) as Acknowledged);
    if (acknowledged.length === lines) child.kill("SIGKILL");
  }
  const [, signal] = (await ended) as [number | null, string | null];
  expect(signal).toBe("SIGKILL");
  return acknowledged;
}

/** That what was acknowledged outlives a kill -9, once and in its place. */
export function crashTests(freshPlace: FreshPlace) {
  test("a process that is killed while it writes loses and doubles nothing it acknowledged (I1, I2, I5)", async () => {
    const settings = freshPlace();
    const first = await openMessageStore(settings);
    const conversationId = await makeConversation(first);
    await first.close();
    const acknowledged: Acknowledged[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      const lines = 40 + 33 * round;
      acknowledged.push(...(await writeUntilKilled(settings, conversationId, `run ${round}`, lines)));

      const store = await openMessageStore(settings);
      while ((await store.repair()).hasMore);
      const all = await everything(store, conversationId);
      expect(all.map(({ seq }) => seq)).toEqual(all.map((_, n) => n + 1));
      const clientIds = all.flatMap(({ client_message_id }) => client_message_id ?? []);
      expect(new Set(clientIds).size).toBe(clientIds.length);
      const byClientId = new Map(all.map((message) => [message.client_message_id, message]));
      for (const { clientMessageId, id, seq, turnId, content } of acknowledged) {
        if (turnId !== undefined) {
          expect(await store.turnState(turnId, USER)).toMatchObject({
            turn: { status: "completed" },
            reply: { content },
          });
        } else expect(byClientId.get(clientMessageId)).toMatchObject({ id, seq });
      }
      const pending = all.filter(({ status }) => status === "pending").map(({ turn_id }) => turn_id);
      expect((await openTurns(store)).map((turn) => turn.turnId)).toEqual(pending);
      await store.close();
    }
  });
}
