import { expect, test } from "vitest";
import { memoryStorage } from "../lib/fixture.ts";
import { createKept } from "../lib/kept.ts";
import { createOutbox, type Outgoing } from "./outbox.ts";

const passing = { text: "offline", canRetry: true };
const lasting = { text: "too long", canRetry: false };

function setUp(storage = memoryStorage()) {
  const sent: string[] = [];
  const fails = new Map<string, unknown>();
  const outbox = createOutbox({
    kept: createKept(storage, "p."),
    prefix: "outbox.c.",
    judge: (error) => error as typeof passing,
    async send({ content }) {
      if (fails.has(content)) throw fails.get(content);
      sent.push(content);
    },
  });
  const write = (content: string, at = 0): Outgoing => ({ id: `id ${content}`, at, content });
  return { outbox, sent, fails, write, storage };
}

test("messages go out in the order in which they were written, and are kept no longer than that", async () => {
  const { outbox, sent, write, storage } = setUp();
  outbox.add(write("a"));
  outbox.add(write("b"));
  expect(storage.length).toBe(2);
  await outbox.flush();
  expect(sent).toEqual(["a", "b"]);
  expect(storage.length).toBe(0);
});

test("what cannot go out now holds back what comes after it, and goes first at the next try", async () => {
  const { outbox, sent, fails, write } = setUp();
  fails.set("a", passing);
  outbox.add(write("a"));
  outbox.add(write("b"));
  await outbox.flush();
  expect(sent).toEqual([]);
  expect(outbox.items.get()[0]?.trouble).toEqual(passing);
  fails.clear();
  await outbox.flush();
  expect(sent).toEqual(["a", "b"]);
});

test("what the server refuses for good stays with its reason, and holds back nothing", async () => {
  const { outbox, sent, fails, write } = setUp();
  fails.set("a", lasting);
  outbox.add(write("a"));
  outbox.add(write("b"));
  await outbox.flush();
  await outbox.flush();
  expect(sent).toEqual(["b"]);
  expect(outbox.items.get()).toMatchObject([{ content: "a", trouble: lasting }]);
  fails.clear();
  await outbox.retry("id a");
  expect(sent).toEqual(["b", "a"]);
  expect(outbox.items.get()).toEqual([]);
});

test("unsent messages outlive the page, those of two tabs alike, in their order", async () => {
  const first = setUp();
  const second = setUp(first.storage);
  second.outbox.add(second.write("later", 2));
  first.outbox.add(first.write("earlier", 1));
  const next = setUp(first.storage);
  await next.outbox.flush();
  expect(next.sent).toEqual(["earlier", "later"]);
});

test("a message that was put away is gone", async () => {
  const { outbox, sent, write, storage } = setUp();
  outbox.add(write("a"));
  outbox.drop("id a");
  await outbox.flush();
  expect([sent, storage.length]).toEqual([[], 0]);
});
