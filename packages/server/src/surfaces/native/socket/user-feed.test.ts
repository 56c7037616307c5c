import type { Conversation, Principal } from "@parley-chat/sdk/contract";
import { expect, test } from "vitest";
import { manualClock } from "../../../kit/clock.ts";
import { createNews } from "../../../modules/realtime/news.ts";
import { createMemoryPubSub } from "../../../ports/pubsub/memory.ts";
import { createUserFeed } from "./user-feed.ts";

const userId = "01900000-0000-7000-8000-000000000001";

function setUp() {
  const clock = manualClock();
  const news = createNews({ pubsub: createMemoryPubSub() });
  const reads: string[] = [];
  const titles = new Map<string, string>();
  const feed = createUserFeed(
    {
      news,
      clock,
      readMessage: async () => null,
      async readConversation(id) {
        reads.push(id);
        return { id, title: titles.get(id) ?? "" } as Conversation;
      },
      onTrouble(error) {
        throw error;
      },
    },
    userId,
  );
  const join = (credential: string, userAgent = "node") => {
    const frames: Record<string, unknown>[] = [];
    const bytes: Buffer[] = [];
    const leave = feed.join({
      principal: { userId, credential: { kind: "key", id: credential } } as Principal,
      userAgent,
      broadcast(frame) {
        bytes.push(frame);
        const head = (frame[1] as number) < 126 ? 2 : 4;
        frames.push(JSON.parse(frame.toString("utf8", head)));
      },
      giveUp() {},
    });
    return { frames, bytes, leave };
  };
  const devices = ({ frames }: ReturnType<typeof join>) =>
    frames.flatMap(({ type, devices }) => (type === "presence" ? [(devices as unknown[]).length] : []));
  return { clock, news, feed, join, reads, titles, devices };
}

test("what happens in quick succession is read once, as it is then, and told in one frame to all", async () => {
  const { clock, news, join, reads, titles } = setUp();
  const [first, second] = [join("k"), join("k")];
  for (let n = 0; n < 100; n++) {
    titles.set("c", `${n}`);
    news.tellUser(userId, { type: "conversation.active", conversationId: "c" });
  }
  expect(reads).toEqual([]);
  await clock.advance(200);
  expect(reads).toEqual(["c"]);
  expect(first.frames.at(-1)).toEqual({
    type: "conversation.updated",
    conversation: { id: "c", title: "99" },
  });
  expect(second.bytes.at(-1)).toBe(first.bytes.at(-1));
  await clock.advance(10_000);
  expect(reads).toEqual(["c"]);
});

test("a change is told at once and in order, and swallows activity that waited", async () => {
  const { clock, news, join } = setUp();
  const { frames } = join("k");
  news.tellUser(userId, { type: "conversation.active", conversationId: "c" });
  news.tellUser(userId, { type: "conversation.created", conversationId: "d" });
  news.tellUser(userId, { type: "conversation.updated", conversationId: "c" });
  news.tellUser(userId, { type: "conversation.deleted", conversation: { id: "d" } as Conversation });
  await clock.advance(0);
  await clock.advance(1_000);
  expect(frames.slice(1).map(({ type, conversation }) => [type, (conversation as Conversation).id])).toEqual([
    ["conversation.created", "d"],
    ["conversation.updated", "c"],
    ["conversation.deleted", "d"],
  ]);
});

test("the more sockets, the fewer conversations a flush tells of; in the end all are told", async () => {
  const { clock, news, join } = setUp();
  const sockets = Array.from({ length: 256 }, () => join("k"));
  for (let n = 0; n < 10; n++) {
    news.tellUser(userId, { type: "conversation.active", conversationId: `${n}` });
  }
  await clock.advance(200);
  expect(sockets[0]?.frames).toHaveLength(1 + 2);
  await clock.advance(800);
  expect(sockets.map(({ frames }) => frames.length)).toEqual(Array(256).fill(1 + 10));
});

test("presence comes first and names sessions and keys, not tabs; others hear of a change, once", async () => {
  const { clock, join, devices } = setUp();
  const laptop = join("laptop", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Firefox/140.0");
  expect(laptop.frames[0]).toEqual({
    type: "presence",
    devices: [{ id: expect.any(String), name: "Firefox on Linux", connected_at: expect.any(String) }],
  });
  const tabs = [join("laptop"), join("laptop")];
  const phone = join("phone");
  expect(devices(phone)).toEqual([2]);
  await clock.advance(1_000);
  expect(devices(laptop)).toEqual([1, 2]);
  expect(devices(phone)).toEqual([2, 2]);
  for (const tab of tabs) tab.leave();
  await clock.advance(1_000);
  expect(devices(laptop)).toEqual([1, 2]);
  expect(phone.leave()).toBe(1);
  const again = join("phone");
  await clock.advance(1_000);
  expect(devices(laptop)).toEqual([1, 2, 2]);
  again.leave();
  await clock.advance(1_000);
  expect(devices(laptop)).toEqual([1, 2, 2, 1]);
  expect(JSON.stringify(laptop.frames)).not.toContain('"laptop"');
});

test("of very many devices the newest 32 are named", () => {
  const { join } = setUp();
  const all = Array.from({ length: 100 }, (_, n) => join(`${n}`));
  expect(all.at(-1)?.frames[0]?.devices).toHaveLength(32);
});
