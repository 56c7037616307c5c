import { randomUUID } from "node:crypto";
import type { Message, Turn } from "@parley-chat/sdk/contract";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Server, startServer } from "../rig/server.ts";
import { answering, startUpstream, type Upstream } from "../rig/upstream.ts";
import {
  type Answer,
  call,
  eventsIn,
  expectProblem,
  follow,
  manyAddresses,
  newConversation,
  newPerson,
  type Person,
  until,
} from "./helpers.ts";

let server: Server;
let upstream: Upstream;
let ann: Person;

const start = (dataDir?: string) =>
  startServer({
    ...(dataDir && { dataDir }),
    env: {
      ...upstream.env,
      ...manyAddresses,
      MAX_MESSAGES_PER_MINUTE: "0",
      MAX_MESSAGES_PER_HOUR: "0",
      // Room for the longest message there is.
      PARLEY_CONTEXT_TOKENS_MAX: "1000000",
    },
  });

beforeAll(async () => {
  upstream = await startUpstream(answering("Hello."));
  server = await start();
  ann = await newPerson(server);
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

const SSE = { accept: "text/event-stream" };
const send = (id: string, json: object, headers: Record<string, string> = {}) =>
  call<Sent>(server, "POST", `/api/v2/conversations/${id}/messages`, { token: ann.token, json, headers });
const sendText = (id: string, raw: string) =>
  call<Sent>(server, "POST", `/api/v2/conversations/${id}/messages`, {
    token: ann.token,
    raw,
    headers: { "content-type": "application/json" },
  });
const all = async (conversation_id: string) =>
  (await server.client(ann.token).messages.list({ conversation_id, branch: "all", limit: 200 })).items;
const isReplay = (answer: Answer<unknown>) => answer.headers["idempotent-replayed"] === "true";

describe("content", () => {
  test("is stored as it was sent, to the code unit, up to 50,000 code points", async () => {
    const { id } = await newConversation(ann.client);
    const texts = [
      " lead and trail \n",
      "line\r\nline\rline\u2028",
      "e\u0301 is not é",
      "\u202eright to left\u202c",
      "zero\u200bwidth\ufeff",
      '"quotes" \\ and {{char}} <START>',
      "\u0001 control \u007f",
      "🦉".repeat(50_000),
      "x".repeat(50_000),
    ];
    for (const content of texts) {
      const { status, body } = await send(id, { content, reply: false });
      expect(status).toBe(201);
      expect(body.message.content === content).toBe(true);
    }
    expect((await all(id)).map(({ content }) => content)).toEqual(texts);
  });

  test("that is blank, or holds NUL or half of a surrogate pair, is 422; more than 50,000 is 413", async () => {
    const { id } = await newConversation(ann.client);
    for (const content of ["", " ", "\n\t\r\n", "\u00a0\u3000", "\u200b\u200d\ufeff", "a\0b"]) {
      const { errors } = expectProblem(await send(id, { content }), 422, "validation_failed");
      expect(errors?.map(({ path }) => path)).toEqual(["content"]);
    }
    for (const half of ["\\ud800", "\\udc00", "a\\udc00\\ud800b", "x\\u0000"]) {
      const { errors } = expectProblem(await sendText(id, `{"content":"${half}"}`), 422, "validation_failed");
      expect(errors?.map(({ path }) => path)).toEqual(["content"]);
    }
    for (const content of ["x".repeat(50_001), "🦉".repeat(50_001)]) {
      expectProblem(await send(id, { content }), 413, "message_too_long");
    }
    expect(await all(id)).toEqual([]);
  });

  test("may come with metadata of up to 16 KiB, which is kept as it is", async () => {
    const { id } = await newConversation(ann.client);
    const metadata = { a: [1, null, { b: "ü" }], n: 1.5 };
    expect((await send(id, { content: "x", reply: false, metadata })).body.message.metadata).toEqual(
      metadata,
    );
    const over = { k: "x".repeat(16_384) };
    const { errors } = expectProblem(
      await send(id, { content: "x", metadata: over }),
      422,
      "validation_failed",
    );
    expect(errors?.[0]?.path).toBe("metadata");
  });
});

describe("the form of the answer", () => {
  test("202 with message, reply and turn; with Accept: text/event-stream 200 and the turn from its start", async () => {
    const { id } = await newConversation(ann.client);
    const json = await send(id, { content: "Hi." }, { accept: "application/json" });
    expect({ status: json.status, keys: Object.keys(json.body).sort() }).toEqual({
      status: 202,
      keys: ["message", "reply", "turn"],
    });
    await follow(ann.client, json.body.turn?.id as string);
    for (const accept of [
      "text/event-stream",
      "application/json;q=0.1, text/event-stream",
      "TEXT/Event-Stream;q=1",
    ]) {
      const stream = await send(id, { content: "Hi." }, { accept });
      expect(stream.status).toBe(200);
      expect(stream.headers["content-type"]).toMatch(/^text\/event-stream/);
      expect(stream.headers["cache-control"]).toContain("no-store");
      const types = eventsIn(stream.text).map(({ type }) => type);
      expect(types).toEqual(["turn.started", "reply.start", "reply.delta", "reply.end", "turn.completed"]);
    }
  });

  test("a note is 201 JSON {message, reply: null, turn: null}, whatever Accept says, and starts nothing", async () => {
    const { id } = await newConversation(ann.client);
    const calls = upstream.calls.length;
    for (const headers of [{}, SSE, { accept: "text/html" }]) {
      const { status, headers: of, body } = await send(id, { content: "A note.", reply: false }, headers);
      expect({ status, reply: body.reply, turn: body.turn }).toEqual({
        status: 201,
        reply: null,
        turn: null,
      });
      expect(of["content-type"]).toMatch(/^application\/json/);
      expect(body.message).not.toHaveProperty("turn_id");
    }
    expect((await all(id)).map(({ seq }) => seq)).toEqual([1, 2, 3]);
    expect(upstream.calls).toHaveLength(calls);
  });

  test("a malformed Last-Event-ID is 422, and the send that carried it has stored nothing", async () => {
    const { id } = await newConversation(ann.client);
    expectProblem(
      await send(id, { content: "Hi." }, { ...SSE, "last-event-id": "nonsense" }),
      422,
      "invalid_cursor",
    );
    expect(await all(id)).toEqual([]);
  });
});

describe("I2: client_message_id", () => {
  test("a retry during and after the turn gives the same message, as things are now, and starts nothing", async () => {
    const { id } = await newConversation(ann.client);
    const nth = upstream.calls.length + 1;
    upstream.onCall = null;
    const body = { content: "Hi.", client_message_id: "once" };
    const first = await send(id, body);
    expect(isReplay(first)).toBe(false);
    expect(first.body.message.client_message_id).toBe("once");
    const held = await upstream.call(nth);
    const during = await send(id, body);
    expect({ status: during.status, replay: isReplay(during) }).toEqual({ status: 202, replay: true });
    expect(during.body).toMatchObject({
      message: { id: first.body.message.id },
      reply: { id: first.body.reply?.id, status: "pending" },
      turn: { id: first.body.turn?.id, status: "running" },
    });
    const streamed = send(id, body, SSE);
    held.say("Told ");
    held.say("once.");
    held.finish();
    upstream.onCall = answering("Hello.");
    const stream = await streamed;
    expect({ status: stream.status, replay: isReplay(stream) }).toEqual({ status: 200, replay: true });
    const text = eventsIn(stream.text).map((event) => (event.type === "reply.delta" ? event.text : ""));
    expect(text.join("")).toBe("Told once.");
    const after = await send(id, body);
    expect({ status: after.status, replay: isReplay(after) }).toEqual({ status: 202, replay: true });
    expect(after.body).toMatchObject({
      reply: { id: first.body.reply?.id, status: "complete", content: "Told once." },
      turn: { status: "completed" },
    });
    const late = await send(id, body, SSE);
    expect(eventsIn(late.text).at(-1)?.type).toBe("turn.completed");
    expect(upstream.calls).toHaveLength(nth);
    expect(await all(id)).toHaveLength(2);
  });

  test("a retry of a note is 201 again", async () => {
    const { id } = await newConversation(ann.client);
    const body = { content: "A note.", reply: false, client_message_id: "n" };
    const [first, again] = [await send(id, body), await send(id, body, SSE)];
    expect({ status: again.status, replay: isReplay(again) }).toEqual({ status: 201, replay: true });
    expect(again.body).toEqual(first.body);
  });

  test("many at once make one message and one reply", async () => {
    const { id } = await newConversation(ann.client);
    const body = { content: "Hi.", client_message_id: "burst" };
    const answers = await Promise.all(Array.from({ length: 12 }, () => send(id, body)));
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([202]));
    expect(new Set(answers.map((answer) => answer.body.message.id)).size).toBe(1);
    expect(answers.filter((answer) => !isReplay(answer))).toHaveLength(1);
    await follow(ann.client, answers[0]?.body.turn?.id as string);
    expect(await all(id)).toHaveLength(2);
  });

  test("with other content, parent or reply it is 409; parent and reply count only where they are named", async () => {
    const { id } = await newConversation(ann.client, { name: "Vera", first_mes: "Hi." });
    const [greeting] = await all(id);
    const first = await send(id, { content: "Hi.", client_message_id: "c" });
    await follow(ann.client, first.body.turn?.id as string);
    await send(id, { content: "Later.", reply: false });
    const base = { content: "Hi.", client_message_id: "c" };
    for (const more of [{}, { parent_id: greeting?.id }, { reply: true }, { metadata: { new: true } }]) {
      const again = await send(id, { ...base, ...more });
      expect({ status: again.status, id: again.body.message?.id }).toEqual({
        status: 202,
        id: first.body.message.id,
      });
    }
    const others = [
      { content: "Ho." },
      { content: "Hi. " },
      { parent_id: null },
      { parent_id: first.body.message.id },
      { parent_id: randomUUID() },
      { reply: false },
    ];
    for (const more of others) {
      expectProblem(await send(id, { ...base, ...more }), 409, "client_message_id_reused");
    }
    const note = await send(id, { content: "N", reply: false, client_message_id: "n" });
    expect(note.status).toBe(201);
    expectProblem(
      await send(id, { content: "N", reply: true, client_message_id: "n" }),
      409,
      "client_message_id_reused",
    );
    expect(await all(id)).toHaveLength(5);
  });

  test("a deleted message is still recognised by its content", async () => {
    const { id } = await newConversation(ann.client);
    const body = { content: "Gone.", reply: false, client_message_id: "g" };
    const first = await send(id, body);
    await ann.client.messages.remove({ message_id: first.body.message.id });
    const again = await send(id, body);
    expect(again.body.message).toMatchObject({
      id: first.body.message.id,
      content: "",
      deleted_at: expect.any(String),
    });
    expectProblem(await send(id, { ...body, content: "" }), 409, "client_message_id_reused");
  });

  test("has 1 to 128 characters, and belongs to its conversation alone", async () => {
    const [one, two] = [await newConversation(ann.client), await newConversation(ann.client)];
    const note = (client_message_id: string) => ({ content: "x", reply: false, client_message_id });
    expect((await send(one.id, note("🦉".repeat(128)))).status).toBe(201);
    for (const bad of ["", "x".repeat(129)]) {
      expectProblem(await send(one.id, note(bad)), 422, "validation_failed");
    }
    const [a, b] = [await send(one.id, note("same")), await send(two.id, note("same"))];
    expect(isReplay(b)).toBe(false);
    expect(a.body.message.id).not.toBe(b.body.message.id);
  });

  test("holds over a kill, also one in the middle of the turn: one message, one reply, one outcome", async () => {
    const { id } = await newConversation(ann.client);
    const nth = upstream.calls.length + 1;
    upstream.onCall = null;
    const body = { content: "Hi.", client_message_id: "killed" };
    const first = await send(id, body);
    await upstream.call(nth);
    await server.kill();
    upstream.onCall = answering("Hello.");
    server = await start(server.dataDir);
    const again = await send(id, body, SSE);
    expect({ status: again.status, replay: isReplay(again) }).toEqual({ status: 200, replay: true });
    expect(eventsIn(again.text).at(-1)).toMatchObject({
      type: "turn.completed",
      turn: { id: first.body.turn?.id },
    });
    expect((await all(id)).map(({ content }) => content)).toEqual(["Hi.", "Hello."]);
  });
});

describe("I5: order", () => {
  test("sends of several clients at once leave no gap, and every reader sees the same", async () => {
    const { id } = await newConversation(server.client(ann.token));
    const keys = await Promise.all([1, 2].map((n) => server.client(ann.token).keys.create({ name: `${n}` })));
    const tokens = [ann.token, ...keys.map(({ secret }) => secret)];
    const perClient = 20;
    const acked = new Map<string, number[]>();
    await Promise.all(
      tokens.map(async (token) => {
        const seqs: number[] = [];
        for (let n = 0; n < perClient; n++) {
          const json = { content: `${n}`, reply: n % 4 === 0, client_message_id: randomUUID() };
          const { status, body } = await call<Sent>(server, "POST", `/api/v2/conversations/${id}/messages`, {
            token,
            json,
          });
          expect(status).toBe(json.reply ? 202 : 201);
          seqs.push(body.message.seq);
          if (body.reply) expect(body.reply.seq).toBe(body.message.seq + 1);
          // Read your writes.
          const { items } = await server.client(token).messages.list({
            conversation_id: id,
            branch: "all",
            limit: 200,
          });
          expect(items.map(({ id: one }) => one)).toContain(body.message.id);
        }
        acked.set(token, seqs);
      }),
    );
    const places = tokens.length * perClient * 1.25;
    const views = await Promise.all(
      tokens.map(async (token) =>
        (
          await server.client(token).messages.list({ conversation_id: id, branch: "all", limit: 200 })
        ).items.map((one) => [one.seq, one.id]),
      ),
    );
    expect(views[0]?.map(([seq]) => seq)).toEqual(Array.from({ length: places }, (_, n) => n + 1));
    for (const view of views) expect(view).toEqual(views[0]);
    for (const seqs of acked.values()) expect(seqs).toEqual([...seqs].sort((a, b) => a - b));
    for (const { seq, parent_id } of await all(id)) {
      const parent = (await all(id)).find((one) => one.id === parent_id);
      if (parent) expect(parent.seq).toBeLessThan(seq);
    }
  });

  test("turns of one conversation run one at a time, in the order of acceptance", async () => {
    const { id } = await newConversation(server.client(ann.token));
    let running = 0;
    let most = 0;
    upstream.onCall = (held) => {
      most = Math.max(most, ++running);
      setImmediate(() => {
        running--;
        held.say(`To: ${held.body.messages.at(-1)?.content}`);
        held.finish();
      });
    };
    const sends: Sent[] = [];
    for (let n = 0; n < 6; n++) sends.push((await send(id, { content: `q${n}` })).body);
    await follow(server.client(ann.token), sends.at(-1)?.turn?.id as string);
    upstream.onCall = answering("Hello.");
    await until(async () => (await all(id)).every(({ status }) => status === "complete"));
    expect(most).toBe(1);
    const asked = upstream.calls.slice(-6).map(({ body }) => body.messages.at(-1)?.content);
    expect(asked).toEqual(["q0", "q1", "q2", "q3", "q4", "q5"]);
    const turns = await Promise.all(
      sends.map(({ turn }) => server.client(ann.token).turns.get({ turn_id: turn?.id as string })),
    );
    for (const [n, turn] of turns.entries()) {
      if (n > 0)
        expect(Date.parse(turn.started_at as string)).toBeGreaterThanOrEqual(
          Date.parse(turns[n - 1]?.ended_at as string),
        );
    }
  });
});
