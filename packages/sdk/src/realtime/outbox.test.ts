import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { type Message, Problem } from "../contract/index.ts";
import { createOutbox, type OutboxUses, Undelivered, type Unsent, type UnsentStorage } from "./outbox.ts";

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

const message = (n: number, conversation_id = "c"): Unsent => ({
  conversation_id,
  content: `${n}`,
  client_message_id: `id-${n}`,
});
const answer = ({ content }: Unsent) => ({ message: { content } as Message, reply: null, turn: null });

function memory(): UnsentStorage & { values: Map<string, string> } {
  const values = new Map<string, string>();
  return {
    values,
    getItem: (key) => values.get(key) ?? null,
    setItem: (key, value) => void values.set(key, value),
    removeItem: (key) => void values.delete(key),
  };
}

function setUp(storage?: UnsentStorage) {
  const tried: string[] = [];
  const refused: [string, string][] = [];
  const uses = { answer: async (one: Unsent) => answer(one) };
  const settings: OutboxUses = {
    deliver: (one) => {
      tried.push(one.client_message_id);
      return uses.answer(one);
    },
    storage,
    onRefused: (one, problem) => void refused.push([one.client_message_id, problem.code]),
  };
  return { outbox: createOutbox(settings), tried, refused, uses };
}

const down = async () => {
  throw new Undelivered("down");
};

test("what came to no answer is tried again at the next flush, under the same id, in order", async () => {
  const { outbox, tried, uses } = setUp();
  uses.answer = down;
  const sending = [1, 2, 3].map((n) => outbox.send(message(n)));
  await vi.runAllTimersAsync();
  expect(tried).toEqual(["id-1"]);
  expect(outbox.unsent.map(({ content }) => content)).toEqual(["1", "2", "3"]);
  uses.answer = async (one) => answer(one);
  outbox.flush();
  const answers = await Promise.all(sending);
  expect(answers.map(({ message: { content } }) => content)).toEqual(["1", "2", "3"]);
  expect(tried).toEqual(["id-1", "id-1", "id-2", "id-3"]);
  expect(outbox.unsent).toEqual([]);
});

test("conversations do not wait for one another", async () => {
  const { outbox, uses } = setUp();
  uses.answer = (one) =>
    one.conversation_id === "stuck" ? new Promise(() => {}) : Promise.resolve(answer(one));
  void outbox.send(message(1, "stuck"));
  expect((await outbox.send(message(2))).message.content).toBe("2");
});

test("a refusal that passes is tried again by itself, any other is told to whoever sent", async () => {
  const { outbox, tried, uses } = setUp();
  uses.answer = async () => {
    throw new Problem("storage_unavailable", undefined, { retryAfterS: 2 });
  };
  const sending = outbox.send(message(1));
  await vi.advanceTimersByTimeAsync(2_999);
  expect(tried).toHaveLength(1);
  uses.answer = async (one) => answer(one);
  await vi.advanceTimersByTimeAsync(1);
  await sending;
  uses.answer = async () => {
    throw new Problem("rate_limited");
  };
  await expect(outbox.send(message(2))).rejects.toMatchObject({ code: "rate_limited" });
  expect(outbox.unsent).toEqual([]);
});

test("with a storage, what was not acknowledged outlives the page, and goes out from the next", async () => {
  const storage = memory();
  const first = setUp(storage);
  first.uses.answer = down;
  void first.outbox.send(message(1));
  void first.outbox.send(message(2));
  await vi.runAllTimersAsync();
  const second = setUp(storage);
  expect(second.outbox.unsent.map(({ client_message_id }) => client_message_id)).toEqual(["id-1", "id-2"]);
  second.uses.answer = async (one) => {
    if (one.content === "1") throw new Problem("character_deleted");
    return answer(one);
  };
  second.outbox.flush();
  await vi.runAllTimersAsync();
  expect(second.tried).toEqual(["id-1", "id-2"]);
  expect(second.refused).toEqual([["id-1", "character_deleted"]]);
  expect(storage.values.size).toBe(0);
});

test("a storage that throws or holds rubbish costs nothing but itself", async () => {
  const broken: UnsentStorage = {
    getItem: () => "{",
    setItem() {
      throw new Error("full");
    },
    removeItem() {
      throw new Error("forbidden");
    },
  };
  const { outbox } = setUp(broken);
  expect((await outbox.send(message(1))).message.content).toBe("1");
});
