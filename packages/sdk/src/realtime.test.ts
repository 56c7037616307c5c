import { expect, test } from "vitest";
import type { Client } from "./client.ts";
import { createRealtime, type RealtimeSettings, Undelivered } from "./realtime.ts";

const unreachable = {
  realtime: { createTicket: () => new Promise(() => {}) },
} as unknown as Client;

test("what someone left unsent goes out in their own name only, and only to the same server", async () => {
  const values = new Map<string, string>();
  const storage = {
    getItem: (key: string) => values.get(key) ?? null,
    setItem: (key: string, value: string) => void values.set(key, value),
    removeItem: (key: string) => void values.delete(key),
  };
  const connect = (more: Partial<RealtimeSettings>) =>
    createRealtime({ client: unreachable, baseUrl: "http://localhost:1", storage, ...more });
  const unsent = (more: Partial<RealtimeSettings>) => {
    const realtime = connect(more);
    realtime.close();
    return realtime.unsent.map(({ content }) => content);
  };
  const ann = connect({ storageName: "ann" });
  const sending = ann.send({ conversation_id: "c", content: "Ann's." });
  ann.close();
  await expect(sending).rejects.toBeInstanceOf(Undelivered);
  expect(unsent({ storageName: "ben" })).toEqual([]);
  expect(unsent({})).toEqual([]);
  expect(unsent({ storageName: "ann", baseUrl: "http://localhost:2" })).toEqual([]);
  expect(unsent({ storageName: "ann", baseUrl: "http://localhost:1/" })).toEqual(["Ann's."]);
});
