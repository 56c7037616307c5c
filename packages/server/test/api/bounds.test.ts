import type { Message, Turn } from "@parley-chat/sdk/contract";
import { afterAll, beforeAll, expect, test } from "vitest";
import { OWNER_KEY, type Server, startServer } from "../rig/server.ts";
import { answering, startUpstream, type Upstream } from "../rig/upstream.ts";
import { call, codeOf, expectProblem, follow, newConversation, note, say } from "./helpers.ts";

const PLACES_MAX = 80;
let server: Server;
let upstream: Upstream;

beforeAll(async () => {
  upstream = await startUpstream(answering("Hello."));
  server = await startServer({
    env: {
      ...upstream.env,
      MAX_MESSAGES_PER_MINUTE: "0",
      PARLEY_MESSAGES_PER_CONVERSATION_MAX: String(PLACES_MAX),
      PARLEY_CONTEXT_TOKENS_MAX: "4000",
      PARLEY_REPLY_TOKENS_MAX: "500",
    },
  });
});
afterAll(async () => {
  await server?.kill();
  upstream?.close();
});

interface Sent {
  message: Message;
  reply: Message | null;
  turn: Turn | null;
}
const send = (id: string, json: object) =>
  call<Sent>(server, "POST", `/api/v2/conversations/${id}/messages`, { token: OWNER_KEY, json });

test("a conversation takes as many places as it has, a send two of them, and then is full", async () => {
  const { owner } = server;
  const { id } = await newConversation(owner);
  const first = await say(owner, id, "First.", { client_message_id: "first" });
  const notes = await Promise.all(Array.from({ length: PLACES_MAX - 3 }, (_, n) => note(owner, id, `${n}`)));
  // What is deleted keeps its place.
  await owner.messages.remove({ message_id: notes[0]?.id as string });
  expect((await owner.conversations.get({ conversation_id: id })).message_count).toBe(PLACES_MAX - 1);
  expectProblem(await send(id, { content: "Two places." }), 409, "conversation_full");
  expect((await send(id, { content: "One place.", reply: false })).status).toBe(201);
  expectProblem(await send(id, { content: "One too many.", reply: false }), 409, "conversation_full");
  expect(await codeOf(owner.messages.regenerate({ message_id: first.reply.id }))).toBe("conversation_full");
  const retry = await send(id, { content: "First.", client_message_id: "first" });
  expect({ status: retry.status, id: retry.body.message.id }).toEqual({ status: 202, id: first.message.id });
  expect((await owner.conversations.get({ conversation_id: id })).message_count).toBe(PLACES_MAX);
});

test("beyond one turn that runs and 32 that wait a conversation is busy; retries and notes still pass", async () => {
  const { owner } = server;
  const { id } = await newConversation(owner);
  const done = await say(owner, id, "Done.");
  const nth = upstream.calls.length + 1;
  upstream.onCall = null;
  const sends: Sent[] = [];
  for (let n = 0; n < 33; n++) {
    const { status, body } = await send(id, { content: `${n}`, client_message_id: `c${n}` });
    expect(status).toBe(202);
    sends.push(body);
  }
  const held = await upstream.call(nth);
  const busy = await send(id, { content: "One too many." });
  expectProblem(busy, 409, "conversation_busy");
  expect(Number(busy.headers["retry-after"])).toBeGreaterThan(0);
  expect(await codeOf(owner.messages.regenerate({ message_id: done.reply.id }))).toBe("conversation_busy");
  expect((await send(id, { content: "32", client_message_id: "c32" })).body.message.id).toBe(
    sends[32]?.message.id,
  );
  expect((await send(id, { content: "A note.", reply: false })).status).toBe(201);
  const other = await newConversation(owner);
  expect((await send(other.id, { content: "Elsewhere." })).status).toBe(202);
  upstream.onCall = answering("Hello.");
  for (const waiting of upstream.calls.slice(nth)) answering("Hello.")(waiting);
  answering("Hello.")(held);
  await follow(owner, sends[32]?.turn?.id as string);
  expect((await send(id, { content: "There is room again." })).status).toBe(202);
  const { items } = await owner.messages.list({ conversation_id: id, branch: "all", limit: 200 });
  expect(items.map(({ seq }) => seq)).toEqual(items.map((_, n) => n + 1));
});

test("a message that cannot fit the model's window is 422 and never cut; one that fits arrives whole", async () => {
  const { owner } = server;
  const { id } = await newConversation(owner, { name: "Vera", description: "word ".repeat(500) });
  const words = (count: number) => Array.from({ length: count }, (_, n) => `word${n % 10}`).join(" ");
  expectProblem(await send(id, { content: words(8_000) }), 422, "message_exceeds_context");
  expect((await owner.messages.list({ conversation_id: id })).items).toEqual([]);
  const content = words(600);
  await say(owner, id, content);
  expect(upstream.calls.at(-1)?.body.messages.at(-1)).toEqual({ role: "user", content });
});

test("a history that does not fit loses its oldest messages, never the newest", async () => {
  const { owner } = server;
  const { id } = await newConversation(owner);
  for (let n = 0; n < 12; n++) await note(owner, id, `number-${n} ${"word ".repeat(900)}`);
  await say(owner, id, "And now?");
  const seen = upstream.calls.at(-1)?.body.messages.map(({ content }) => content) ?? [];
  expect(seen.at(-1)).toContain("And now?");
  const kept = [...seen.join("\n").matchAll(/number-(\d+)/g)].map(([, n]) => Number(n));
  expect(kept.length).toBeGreaterThan(0);
  expect(kept.length).toBeLessThan(12);
  expect(kept).toEqual(Array.from({ length: kept.length }, (_, n) => 12 - kept.length + n));
});
