import type { Client, ConversationEvent, MessagePage } from "@parley-chat/sdk";
import { expect, test } from "vitest";
import { memoryStorage } from "../lib/fixture.ts";
import { createKept } from "../lib/kept.ts";
import type { Live } from "../lib/live.ts";
import { createStore } from "../lib/store.ts";
import type { Conversations } from "../stores/conversations.ts";
import { createChat } from "./chat.ts";
import { chain, messageAt } from "./fixture.ts";

/** A server whose pages and whose conversation come when the test says so. */
function setUp() {
  const pages: ((page: MessagePage) => void)[] = [];
  let hear: (event: ConversationEvent) => void = () => {};
  let found = () => {};
  const chat = createChat({
    client: {
      messages: { list: () => new Promise((resolve) => pages.push(resolve)) },
    } as unknown as Client,
    live: {
      follow: (_: string, listener: typeof hear) => {
        hear = listener;
        return () => {};
      },
    } as unknown as Live,
    conversations: {
      list: createStore({ items: [], next: null, status: "ready" }),
      refresh: () =>
        new Promise<void>((resolve) => {
          found = resolve;
        }),
    } as unknown as Conversations,
    kept: createKept(memoryStorage(), "p."),
    conversationId: "c",
    soon: (work) => work(),
    now: () => 0,
    isUnnamed: () => false,
    onReply: () => {},
  });
  const page = (items: MessagePage["items"]) =>
    pages.shift()?.({ items, before_cursor: null } as unknown as MessagePage);
  const shown = () => chat.state.get().branch.messages.map(({ id }) => id);
  return { chat, pages, page, shown, hear: (event: ConversationEvent) => hear(event), found: () => found() };
}

test("a message that comes while the first page is read is not lost", async () => {
  const { chat, pages, page, shown, hear, found } = setUp();
  const loading = chat.load();
  hear({ type: "message.created", message: messageAt(3) } as ConversationEvent);
  page(chain(1, 2));
  await expect.poll(() => pages.length).toBe(1);
  page(chain(1, 3));
  found();
  await loading;
  expect(shown()).toEqual(["m1", "m2", "m3"]);
});

test("nor is one that comes after it, while the conversation is still being read", async () => {
  const { chat, pages, page, shown, hear, found } = setUp();
  const loading = chat.load();
  page(chain(1, 2));
  await expect.poll(shown).toHaveLength(2);
  hear({ type: "message.created", message: messageAt(3) } as ConversationEvent);
  await expect.poll(() => pages.length).toBe(1);
  page(chain(1, 3));
  found();
  await loading;
  await expect.poll(shown).toEqual(["m1", "m2", "m3"]);
});
