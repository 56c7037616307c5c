import { randomUUID } from "node:crypto";
import type { Message, MessagePage } from "@parley-chat/sdk/contract";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Server, startServer } from "../rig/server.ts";
import { answering, startUpstream, type Upstream, type UpstreamCall } from "../rig/upstream.ts";
import {
  call,
  codeOf,
  expectProblem,
  follow,
  manyAddresses,
  newConversation,
  newPerson,
  note,
  type Person,
  say,
} from "./helpers.ts";

let server: Server;
let upstream: Upstream;
let ann: Person;

beforeAll(async () => {
  upstream = await startUpstream(answering("Hello."));
  server = await startServer({ env: { ...upstream.env, ...manyAddresses, MAX_MESSAGES_PER_MINUTE: "0" } });
  ann = await newPerson(server);
});
afterAll(async () => {
  await server?.kill();
  upstream?.close();
});

const asAnn = <T>(method: string, path: string, json?: unknown) =>
  call<T>(server, method, `/api/v2${path}`, { token: ann.token, ...(json !== undefined && { json }) });
const conversation = (id: string) => ann.client.conversations.get({ conversation_id: id });
const page = async (id: string, query = "") =>
  (await asAnn<MessagePage>("GET", `/conversations/${id}/messages?${query}`)).body;
const all = async (id: string) => (await page(id, "branch=all&limit=200")).items;
const contents = (messages: Message[]) => messages.map(({ content }) => content);
const message = (id: string) => ann.client.messages.get({ message_id: id });

/** Lets the next calls to the model wait for the test; gives the first of them. */
async function hold(work: () => Promise<unknown>): Promise<UpstreamCall> {
  const nth = upstream.calls.length + 1;
  upstream.onCall = null;
  await work();
  const held = await upstream.call(nth);
  upstream.onCall = answering("Hello.");
  return held;
}
const send = (id: string, content: string, more: { parent_id?: string | null } = {}) =>
  ann.client.messages.send({ conversation_id: id, content, ...more });

describe("a send", () => {
  test("stores the message and the place of its reply with two consecutive seq; the reply is set once", async () => {
    const { id, character_ids } = await newConversation(ann.client, { name: "Vera", first_mes: "Hi." });
    let sent = {} as Awaited<ReturnType<typeof send>>;
    const held = await hold(async () => {
      sent = await send(id, "Hello?");
    });
    const { message: mine, reply, turn } = sent;
    const [greeting] = await all(id);
    expect(mine).toMatchObject({
      seq: 2,
      parent_id: greeting?.id,
      role: "user",
      user_id: ann.id,
      content: "Hello?",
      status: "complete",
      siblings: { index: 0, count: 1 },
    });
    expect(reply).toMatchObject({
      seq: 3,
      parent_id: mine.id,
      role: "assistant",
      character_id: character_ids[0],
      content: "",
      status: "pending",
      turn_id: turn?.id,
    });
    expect(turn).toMatchObject({ conversation_id: id, message_id: mine.id, reply_id: reply?.id });
    expect(await conversation(id)).toMatchObject({
      head_id: reply?.id,
      active_turn_id: turn?.id,
      message_count: 3,
    });
    held.say("Half of ");
    expect(await message(reply?.id as string)).toMatchObject({ status: "pending", content: "" });
    held.say("it.");
    held.finish();
    await follow(ann.client, turn?.id as string);
    const done = await message(reply?.id as string);
    expect(done).toMatchObject({
      content: "Half of it.",
      status: "complete",
      finish_reason: "stop",
      usage: { prompt_tokens: 11, completion_tokens: 7, total_tokens: 18, estimated: false },
    });
    expect((await all(id))[2]).toEqual(done);
    expect(await conversation(id)).toMatchObject({ active_turn_id: null, head_id: reply?.id });
    expect(await ann.client.turns.get({ turn_id: turn?.id as string })).toMatchObject({
      status: "completed",
      character_version: 1,
      started_at: expect.any(String),
      ended_at: expect.any(String),
    });
  });

  test("has the head as parent when none is named, no parent for null, else the one named", async () => {
    const { id } = await newConversation(ann.client, { name: "Vera", first_mes: "Hi." });
    const first = await say(ann.client, id, "one");
    expect((await note(ann.client, id, "two")).parent_id).toBe(first.reply.id);
    const root = await note(ann.client, id, "three", { parent_id: null });
    expect(root).toMatchObject({ parent_id: null, siblings: { index: 1, count: 2 } });
    expect((await note(ann.client, id, "four")).parent_id).toBe(root.id);
    expect((await note(ann.client, id, "five", { parent_id: first.message.id })).parent_id).toBe(
      first.message.id,
    );
  });

  test("under a parent that is unknown or in another conversation is 422 with its path, all alike", async () => {
    const [here, there] = [await newConversation(ann.client), await newConversation(ann.client)];
    const elsewhere = await note(ann.client, there.id, "x");
    const ben = await newPerson(server);
    const theirs = await note(ben.client, (await newConversation(ben.client)).id, "x");
    const texts = new Set<string>();
    for (const parent_id of [elsewhere.id, theirs.id, randomUUID(), "x", "", here.id]) {
      const answer = await asAnn("POST", `/conversations/${here.id}/messages`, { content: "x", parent_id });
      const problem = expectProblem(answer, 422, "validation_failed");
      expect(problem.errors?.map(({ path }) => path)).toEqual(["parent_id"]);
      texts.add(JSON.stringify({ ...problem, request_id: "" }));
    }
    expect(texts.size).toBe(1);
    expect(await all(here.id)).toEqual([]);
  });
});

describe("branches", () => {
  test("an edit is a sibling: the same parent, index by seq, one count for all of them", async () => {
    const { id } = await newConversation(ann.client);
    const root = await note(ann.client, id, "root");
    const versions = [await note(ann.client, id, "v0")];
    for (const content of ["v1", "v2"]) {
      versions.push(await note(ann.client, id, content, { parent_id: root.id }));
    }
    expect(versions.at(-1)?.siblings).toEqual({ index: 2, count: 3 });
    const found = await Promise.all(versions.map((one) => message(one.id)));
    expect(found.map(({ siblings }) => siblings)).toEqual([0, 1, 2].map((index) => ({ index, count: 3 })));
    expect(contents(await all(id))).toEqual(["root", "v0", "v1", "v2"]);
    expect(contents((await page(id)).items)).toEqual(["root", "v2"]);
  });

  test("the head is the newest place, unless head_id chose a branch since; a later send moves it", async () => {
    const { id } = await newConversation(ann.client);
    const root = await note(ann.client, id, "root");
    const a = await note(ann.client, id, "a");
    const a1 = await note(ann.client, id, "a1");
    const b = await note(ann.client, id, "b", { parent_id: root.id });
    expect((await conversation(id)).head_id).toBe(b.id);
    const choose = async (head_id: string) =>
      (await ann.client.conversations.update({ conversation_id: id, head_id })).head_id;
    expect(await choose(a.id)).toBe(a1.id);
    expect(contents((await page(id)).items)).toEqual(["root", "a", "a1"]);
    expect(await choose(b.id)).toBe(b.id);
    expect(await choose(a1.id)).toBe(a1.id);
    const a2 = await note(ann.client, id, "a2");
    expect(a2.parent_id).toBe(a1.id);
    expect((await conversation(id)).head_id).toBe(a2.id);
    const b1 = await note(ann.client, id, "b1", { parent_id: b.id });
    expect((await conversation(id)).head_id).toBe(b1.id);
    expect(await choose(root.id)).toBe(b1.id);
    expect(contents(await all(id))).toEqual(["root", "a", "a1", "b", "a2", "b1"]);
  });

  test("head_id takes the newest leaf below, however deep the branches lie", async () => {
    const { id } = await newConversation(ann.client);
    const root = await note(ann.client, id, "root");
    const deep = await note(ann.client, id, "deep");
    await note(ann.client, id, "deeper");
    const late = await note(ann.client, id, "late", { parent_id: deep.id });
    await note(ann.client, id, "other", { parent_id: root.id });
    const { update } = ann.client.conversations;
    expect((await update({ conversation_id: id, head_id: deep.id })).head_id).toBe(late.id);
    expect(contents((await page(id)).items)).toEqual(["root", "deep", "late"]);
  });

  test("head_id of another conversation, or of nothing, is 422 and changes nothing", async () => {
    const [here, there] = [await newConversation(ann.client), await newConversation(ann.client)];
    const mine = await note(ann.client, here.id, "mine");
    const other = await note(ann.client, there.id, "x");
    for (const head_id of [other.id, randomUUID(), "x", ""]) {
      const answer = await asAnn("PATCH", `/conversations/${here.id}`, { head_id, title: "changed" });
      expect(expectProblem(answer, 422, "validation_failed").errors?.[0]?.path).toBe("head_id");
    }
    expect(await conversation(here.id)).toMatchObject({ head_id: mine.id, title: here.title });
  });

  test("a turn reads its own branch, as it stands when it starts", async () => {
    const { id } = await newConversation(ann.client);
    const root = await note(ann.client, id, "on-the-root");
    await say(ann.client, id, "left-branch");
    const { reply } = await say(ann.client, id, "right-branch", { parent_id: root.id });
    const seen = JSON.stringify(upstream.calls.at(-1)?.body.messages);
    for (const text of ["on-the-root", "right-branch"]) expect(seen).toContain(text);
    expect(seen).not.toContain("left-branch");
    await ann.client.messages.remove({ message_id: root.id });
    await ann.client.messages
      .regenerate({ message_id: reply.id })
      .then((it) => follow(ann.client, it.turn.id));
    expect(JSON.stringify(upstream.calls.at(-1)?.body.messages)).not.toContain("on-the-root");
  });
});

describe("pages", () => {
  test("the newest by default; before and after take cursors and message ids; they tile both views", async () => {
    const { id } = await newConversation(ann.client);
    const first = await note(ann.client, id, "m1");
    for (let n = 2; n <= 9; n++) {
      // Every third is a sibling of the one before, so that the branch in use skips some.
      const parent = n % 3 === 0 ? { parent_id: (await all(id)).at(-1)?.parent_id ?? first.id } : {};
      await note(ann.client, id, `m${n}`, parent);
    }
    for (const branch of ["head", "all"]) {
      const whole = (await page(id, `branch=${branch}&limit=200`)).items;
      expect(whole.map(({ seq }) => seq)).toEqual(whole.map(({ seq }) => seq).sort((a, b) => a - b));
      if (branch === "all") expect(whole.map(({ seq }) => seq)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
      else expect(whole.length).toBeLessThan(9);
      const newest = await page(id, `branch=${branch}&limit=2`);
      expect(newest).toMatchObject({ items: whole.slice(-2), after_cursor: null });

      const backwards: Message[] = [...newest.items];
      for (let { before_cursor: before } = newest; before !== null; ) {
        const older = await page(id, `branch=${branch}&limit=2&before=${before}`);
        backwards.unshift(...older.items);
        expect(older.after_cursor).not.toBeNull();
        before = older.before_cursor;
      }
      expect(backwards).toEqual(whole);

      const forwards: Message[] = [];
      let after: string | null = whole[0]?.id as string;
      while (after !== null) {
        const newer: MessagePage = await page(id, `branch=${branch}&limit=2&after=${after}`);
        forwards.push(...newer.items);
        expect(newer.before_cursor).not.toBeNull();
        after = newer.after_cursor;
      }
      expect(forwards).toEqual(whole.slice(1));
      expect((await page(id, `branch=${branch}&before=${whole[3]?.id}`)).items).toEqual(whole.slice(0, 3));
      const beforeAll = await page(id, `branch=${branch}&before=${whole[0]?.id}`);
      expect(beforeAll).toMatchObject({ items: [], before_cursor: null });
      expect((await page(id, `branch=${branch}&after=${beforeAll.after_cursor}`)).items).toEqual(whole);
      const afterAll = await page(id, `branch=${branch}&after=${whole.at(-1)?.id}`);
      expect(afterAll).toMatchObject({ items: [], after_cursor: null });
      expect((await page(id, `branch=${branch}&before=${afterAll.before_cursor}`)).items).toEqual(whole);
    }
  });

  test("a message of another conversation is no place in this one", async () => {
    const [here, there] = [await newConversation(ann.client), await newConversation(ann.client)];
    const { id } = await note(ann.client, there.id, "x");
    for (const bound of ["before", "after"]) {
      for (const place of [id, randomUUID()]) {
        const answer = await asAnn("GET", `/conversations/${here.id}/messages?${bound}=${place}`);
        expectProblem(answer, 422, "invalid_cursor");
      }
    }
    expectProblem(
      await asAnn("GET", `/conversations/${here.id}/messages?branch=x`),
      422,
      "validation_failed",
    );
  });
});

describe("regenerating", () => {
  test("makes another reply beside the one there is, of a reply as of its message; nothing is overwritten", async () => {
    const { id } = await newConversation(ann.client);
    const { message: mine, reply } = await say(ann.client, id, "Hi.");
    upstream.onCall = answering("Another.");
    const second = await ann.client.messages.regenerate({ message_id: reply.id });
    expect(second.reply).toMatchObject({ seq: 3, parent_id: mine.id, status: "pending" });
    expect(second.turn).toMatchObject({ message_id: mine.id, reply_id: second.reply.id });
    await follow(ann.client, second.turn.id);
    const third = await ann.client.messages.regenerate({ message_id: mine.id });
    await follow(ann.client, third.turn.id);
    upstream.onCall = answering("Hello.");
    const replies = (await all(id)).slice(1);
    expect(contents(replies)).toEqual(["Hello.", "Another.", "Another."]);
    expect(replies.map(({ siblings }) => siblings)).toEqual([0, 1, 2].map((index) => ({ index, count: 3 })));
    expect(await conversation(id)).toMatchObject({ head_id: third.reply.id, message_count: 4 });
    expect(upstream.calls.at(-1)?.body.messages.at(-1)).toMatchObject({ role: "user", content: "Hi." });
  });

  test("gives a note its first reply", async () => {
    const { id } = await newConversation(ann.client);
    const { id: noted } = await note(ann.client, id, "A note.");
    const { reply, turn } = await ann.client.messages.regenerate({ message_id: noted });
    expect(reply).toMatchObject({ seq: 2, parent_id: noted });
    expect((await follow(ann.client, turn.id)).at(-1)?.type).toBe("turn.completed");
  });

  test("is refused for a greeting, for what is deleted, and while its turn runs", async () => {
    const { id } = await newConversation(ann.client, { name: "Vera", first_mes: "Hi." });
    const [greeting] = await all(id);
    const done = await say(ann.client, id, "one");
    let running = {} as Awaited<ReturnType<typeof send>>;
    const held = await hold(async () => {
      running = await send(id, "two");
    });
    const refusal = (of: string | undefined) =>
      codeOf(ann.client.messages.regenerate({ message_id: of as string }));
    expect(await refusal(greeting?.id)).toBe("not_regenerable");
    expect(await refusal(running.reply?.id)).toBe("in_flight");
    expect(await refusal(running.message.id)).toBe("in_flight");
    held.finish();
    await follow(ann.client, running.turn?.id as string);
    await ann.client.messages.remove({ message_id: done.message.id });
    // There is nothing left that another reply could answer.
    expect(await refusal(done.reply.id)).toBe("not_regenerable");
    await ann.client.messages.remove({ message_id: done.reply.id });
    expect(await refusal(done.reply.id)).toBe("not_regenerable");
    expect(await refusal(done.message.id)).toBe("not_regenerable");
  });
});

describe("deleting a message", () => {
  test("leaves its place: the seq stays, the text goes, what hangs below is still there", async () => {
    const { id } = await newConversation(ann.client);
    const first = await say(ann.client, id, "to be deleted");
    await say(ann.client, id, "kept");
    await ann.client.messages.remove({ message_id: first.message.id });
    const found = await message(first.message.id);
    expect(found).toMatchObject({ seq: 1, content: "", role: "user", deleted_at: expect.any(String) });
    const list = await all(id);
    expect(list.map(({ seq }) => seq)).toEqual([1, 2, 3, 4]);
    expect(contents(list)).toEqual(["", "Hello.", "kept", "Hello."]);
    expect((await page(id)).items).toEqual(list);
    expect((await conversation(id)).message_count).toBe(4);
    await note(ann.client, id, "sibling", { parent_id: null });
    expect((await message(first.message.id)).siblings).toEqual({ index: 0, count: 2 });
    await say(ann.client, id, "again", { parent_id: list[3]?.id as string });
    expect(JSON.stringify(upstream.calls.at(-1)?.body.messages)).not.toContain("to be deleted");
  });

  test("is 409 in_flight for a message and a reply whose turn has not ended, running or queued", async () => {
    const { id } = await newConversation(ann.client);
    const sends: Awaited<ReturnType<typeof send>>[] = [];
    const held = await hold(async () => {
      sends.push(await send(id, "running"), await send(id, "queued"));
    });
    const ids = sends.flatMap((sent) => [sent.message.id, sent.reply?.id as string]);
    for (const message_id of ids) {
      expect(await codeOf(ann.client.messages.remove({ message_id }))).toBe("in_flight");
    }
    held.finish();
    for (const { turn } of sends) await follow(ann.client, turn?.id as string);
    for (const message_id of ids) await ann.client.messages.remove({ message_id });
    expect((await all(id)).every(({ deleted_at }) => deleted_at !== undefined)).toBe(true);
  });
});

describe("ends that are not whole", () => {
  test("a stopped reply keeps its text as incomplete; a queued turn that is stopped has said nothing", async () => {
    const { id } = await newConversation(ann.client);
    const sends: Awaited<ReturnType<typeof send>>[] = [];
    const held = await hold(async () => {
      sends.push(await send(id, "running"), await send(id, "queued"));
    });
    const stop = (n: number) => ann.client.turns.stop({ turn_id: sends[n]?.turn?.id as string });
    expect(await stop(1)).toMatchObject({ status: "stopped", ended_at: expect.any(String) });
    held.say("So far.");
    for await (const event of ann.client.events(sends[0]?.turn?.id as string)) {
      if (event.type === "reply.delta") break;
    }
    const stopped = await stop(0);
    expect(stopped.status).toBe("stopped");
    await held.closed;
    expect(await stop(0)).toEqual(stopped);
    const [first, second] = await Promise.all(sends.map(({ reply }) => message(reply?.id as string)));
    expect(first).toMatchObject({ content: "So far.", status: "incomplete", finish_reason: "stopped" });
    expect(second).toMatchObject({ content: "", status: "failed", finish_reason: "stopped" });
    await say(ann.client, id, "next");
    const seen = JSON.stringify(upstream.calls.at(-1)?.body.messages);
    expect(seen).toContain("running");
  });

  test("a failed turn says why, does not stop the queue, and only regenerate tries again", async () => {
    const { id } = await newConversation(ann.client);
    upstream.onCall = ({ response }) => {
      response.writeHead(400, { "content-type": "application/json" });
      response.end(JSON.stringify({ error: { message: "no" } }));
    };
    const failed = await say(ann.client, id, "fails", { client_message_id: "f" });
    upstream.onCall = answering("Hello.");
    expect(failed.end).toMatchObject({ type: "turn.failed", problem: { code: "provider_error" } });
    expect(await message(failed.reply.id)).toMatchObject({
      content: "",
      status: "failed",
      finish_reason: "error",
    });
    const turn = await ann.client.turns.get({ turn_id: failed.turn.id });
    expect(turn).toMatchObject({ status: "failed", problem: { code: "provider_error", status: 502 } });
    const calls = upstream.calls.length;
    const retry = await asAnn("POST", `/conversations/${id}/messages`, {
      content: "fails",
      client_message_id: "f",
    });
    expect({ status: retry.status, body: retry.body }).toMatchObject({
      status: 202,
      body: { turn: { id: turn.id, status: "failed" } },
    });
    expect(upstream.calls).toHaveLength(calls);
    const again = await ann.client.messages.regenerate({ message_id: failed.reply.id });
    expect((await follow(ann.client, again.turn.id)).at(-1)?.type).toBe("turn.completed");
    expect((await message(failed.reply.id)).status).toBe("failed");
  });
});
