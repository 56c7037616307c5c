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
    storageKey: "unsent",
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

test("a flush while a try is under way is not lost when that try fails", async () => {
  const { outbox, tried, uses } = setUp();
  const old = Promise.withResolvers<never>();
  uses.answer = () => old.promise;
  const sending = outbox.send(message(1));
  outbox.flush();
  uses.answer = async (one) => answer(one);
  old.reject(new TypeError("fetch failed"));
  await sending;
  expect(tried).toEqual(["id-1", "id-1"]);
  await outbox.send(message(2));
  uses.answer = down;
  void outbox.send(message(3));
  await vi.runAllTimersAsync();
  expect(tried).toEqual(["id-1", "id-1", "id-2", "id-3"]);
});

test("closing tells whoever waits, ends the tries, and leaves the storage to the next page", async () => {
  const storage = memory();
  const { outbox, tried, uses } = setUp(storage);
  uses.answer = async () => {
    throw new Problem("overloaded");
  };
  const sending = [outbox.send(message(1)), outbox.send(message(2))];
  await vi.advanceTimersByTimeAsync(500);
  expect(vi.getTimerCount()).toBe(1);
  outbox.close("closed");
  expect(vi.getTimerCount()).toBe(0);
  sending.push(outbox.send(message(3)));
  for (const one of sending) await expect(one).rejects.toBeInstanceOf(Undelivered);
  outbox.flush();
  await vi.runAllTimersAsync();
  expect(tried).toEqual(["id-1"]);
  const next = setUp(storage);
  expect(next.outbox.unsent).toEqual([message(1), message(2)]);
  next.outbox.close("closed");
  expect(next.refused).toEqual([]);
});

test("a passing refusal that comes after the close starts no timer", async () => {
  const { outbox, uses } = setUp();
  const late = Promise.withResolvers<never>();
  uses.answer = () => late.promise;
  const sending = outbox.send(message(1));
  outbox.close("closed");
  late.reject(new Problem("overloaded"));
  await expect(sending).rejects.toBeInstanceOf(Undelivered);
  await vi.advanceTimersByTimeAsync(0);
  expect(vi.getTimerCount()).toBe(0);
});

test("entries of a storage that are no messages are left out", () => {
  const storage = memory();
  storage.setItem("unsent", JSON.stringify([null, 7, "x", {}, { conversation_id: "c" }, message(1)]));
  const { outbox } = setUp(storage);
  expect(outbox.unsent).toEqual([message(1)]);
  outbox.flush();
});
