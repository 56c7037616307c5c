import { type Client, type Conversation, Problem } from "@parley-chat/sdk";
import { expect, test } from "vitest";
import { createConversations } from "./conversations.ts";

/** The higher `at` is, the later it was changed. */
const conversation = (id: string, at: number, more: Partial<Conversation> = {}) =>
  ({ id, status: "active", title: id, updated_at: new Date(at).toISOString(), ...more }) as Conversation;

/** A server whose answer comes when the test says so. */
function setUp() {
  const answers: ((page: { items: Conversation[]; next_cursor: string | null }) => void)[] = [];
  const cursors: (string | undefined)[] = [];
  const list = ({ cursor }: { cursor?: string }) => {
    cursors.push(cursor);
    return new Promise((resolve) => answers.push(resolve));
  };
  const get = () => Promise.reject(new Problem("not_found"));
  const client = { conversations: { list, get } } as unknown as Client;
  const conversations = createConversations({ client });
  const answer = (items: Conversation[], next_cursor: string | null = null) =>
    answers.shift()?.({ items, next_cursor });
  const shown = () => conversations.list.get().items.map(({ title }) => title);
  return { conversations, answer, shown, cursors };
}

test("reading the list again keeps what lies beyond its first page, and the way to more of it", async () => {
  const { conversations, answer, shown, cursors } = setUp();
  const first = conversations.load();
  answer([conversation("a", 9), conversation("b", 8)], "1");
  await first;
  const more = conversations.loadMore();
  answer([conversation("c", 7)], "2");
  await more;
  conversations.heard(conversation("open", 1));
  const again = conversations.load();
  answer([conversation("a", 9), conversation("b", 8)], "1");
  await again;
  expect(shown()).toEqual(["a", "b", "c", "open"]);
  const last = conversations.loadMore();
  answer([conversation("open", 1)], null);
  await last;
  expect(cursors.at(-1)).toBe("2");
  expect(shown()).toEqual(["a", "b", "c", "open"]);
});

test("what was heard while the list was read is not overwritten by it", async () => {
  const { conversations, answer, shown } = setUp();
  conversations.heard(conversation("gone", 3));
  const reading = conversations.load();
  conversations.heard(conversation("a", 9, { title: "a, renamed" }));
  conversations.heard(conversation("b", 5, { title: "b, read to its end" }));
  conversations.heard(conversation("new", 10));
  conversations.gone("gone");
  answer([conversation("a", 4), conversation("b", 5), conversation("gone", 3), conversation("c", 2)]);
  await reading;
  expect(shown()).toEqual(["new", "a, renamed", "b, read to its end", "c"]);
});

test("what was deleted elsewhere goes, and what was changed there is taken over", async () => {
  const { conversations, answer, shown } = setUp();
  const first = conversations.load();
  answer([conversation("a", 2), conversation("b", 1)]);
  await first;
  const again = conversations.load();
  answer([conversation("b", 3, { title: "b, changed" })]);
  await again;
  expect(shown()).toEqual(["b, changed"]);
});

test("one that is not there any more when it is opened leaves the list", async () => {
  const { conversations, shown } = setUp();
  conversations.heard(conversation("a", 1));
  await expect(conversations.refresh("a")).rejects.toMatchObject({ code: "not_found" });
  expect(shown()).toEqual([]);
});
