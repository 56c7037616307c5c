import { connect } from "node:net";
import type { Turn } from "@parley-chat/sdk";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Server, startServer } from "../rig/server.ts";
import { startUpstream, type Upstream, type UpstreamCall } from "../rig/upstream.ts";
import { asked, journey } from "./journey.ts";
import { messagesPath, newConversation, outcome, post } from "./scene.ts";
import { follow } from "./stream.ts";
import { until, within } from "./until.ts";

const KEY = "sk-upstream-canary";
/** Small enough for a test, large enough for a busy machine to answer in time. */
const TIMERS = {
  PARLEY_LLM_FIRST_TOKEN_TIMEOUT_MS: "4000",
  PARLEY_LLM_BETWEEN_TOKENS_TIMEOUT_MS: "4000",
  PARLEY_LLM_IDLE_TIMEOUT_MS: "6000",
  PARLEY_LLM_CALL_TIMEOUT_MS: "20000",
};

/** Waits until what was written has left for the other side. */
const flushed = (call: UpstreamCall) =>
  new Promise<void>((resolve) => void call.response.write("", () => resolve()));
const part = 'data: {"choices":[{"index":0,"delta":{"content":"Half a "},"finish_reason":null}]}\n\n';
const finishReason = 'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n';
const status =
  (code: number, body: string, headers: Record<string, string> = {}) =>
  (call: UpstreamCall) => {
    call.response.writeHead(code, { "content-type": "application/json", ...headers });
    call.response.end(body);
  };
const error = JSON.stringify({ error: { message: `said by the provider about ${KEY}`, type: "x" } });

/** Faults that one server meets together: those that are rescued take what its retry budget has at first. */
interface Fault {
  what: string;
  /** What the model does in its n-th call (from 1) for this turn. */
  act(call: UpstreamCall, n: number): unknown;
  /** The code of the problem, or null where the turn is to be rescued. */
  code: string | null;
  /** What must be kept of the reply. */
  text?: string;
  callsMax?: number;
}

const whole = (call: UpstreamCall) => {
  call.say("All of it.");
  call.finish();
};

const FAULTS: Fault[] = [
  {
    what: "resets before its headers once",
    act: (call, n) => (n === 1 ? call.cut() : whole(call)),
    code: null,
    text: "All of it.",
    callsMax: 2,
  },
  {
    what: "is cut in the middle",
    act: async (call) => {
      call.raw(part);
      await flushed(call);
      call.cut();
    },
    code: "provider_truncated",
    text: "Half a ",
    callsMax: 1,
  },
  {
    what: "ends in order without its marker",
    act: (call) => {
      call.raw(part);
      call.response.end();
    },
    code: "provider_truncated",
    text: "Half a ",
    callsMax: 1,
  },
  {
    what: "says [DONE] without a finish reason",
    act: (call) => {
      call.raw(`${part}data: [DONE]\n\n`);
      call.response.end();
    },
    code: "provider_truncated",
    text: "Half a ",
    callsMax: 1,
  },
  {
    what: "gives a finish reason and closes without [DONE]",
    act: (call) => {
      call.raw(part + finishReason);
      call.response.end();
    },
    code: "provider_truncated",
    text: "Half a ",
    callsMax: 1,
  },
  {
    what: "puts an error event into its stream",
    act: (call) => {
      call.raw(`${part}data: ${error}\n\n`);
      call.finish();
    },
    code: "provider_error",
    text: "Half a ",
    callsMax: 1,
  },
  {
    what: "sends malformed JSON",
    act: (call) => {
      call.raw(`${part}data: {"choices":[{"delta":{"content":"a\n\n`);
      call.finish();
    },
    code: "provider_error",
    text: "Half a ",
    callsMax: 1,
  },
  {
    what: "answers 200 with a page of HTML",
    act: (call) => {
      call.response.writeHead(200, { "content-type": "text/html" });
      call.response.end("<!doctype html><title>Welcome to the hotel</title>");
    },
    code: "provider_error",
  },
  { what: "answers 401", act: status(401, error), code: "provider_error", callsMax: 1 },
  {
    what: "answers 429 with a Retry-After that is too long to wait for",
    act: status(429, error, { "retry-after": "120" }),
    code: "provider_error",
    callsMax: 1,
  },
  {
    what: "answers 429 with a short Retry-After, then well",
    act: (call, n) => (n === 1 ? status(429, error, { "retry-after": "0" })(call) : whole(call)),
    code: null,
    text: "All of it.",
    callsMax: 2,
  },
  {
    what: "answers 500 once",
    act: (call, n) => (n === 1 ? status(500, error)(call) : whole(call)),
    code: null,
    text: "All of it.",
    callsMax: 2,
  },
  { what: "never answers", act: () => {}, code: "provider_timeout", callsMax: 1 },
  {
    what: "sends headers and nothing more",
    act: (call) => {
      call.response.writeHead(200, { "content-type": "text/event-stream" });
      call.response.flushHeaders();
    },
    code: "provider_timeout",
    callsMax: 1,
  },
  {
    what: "falls silent in the middle",
    act: (call) => call.raw(part),
    code: "provider_timeout",
    text: "Half a ",
    callsMax: 1,
  },
  {
    what: "sends comments for ever",
    act: (call) => {
      call.raw(part);
      const timer = setInterval(() => call.raw(": still here\n\n"), 50);
      void call.closed.then(() => clearInterval(timer));
    },
    code: "provider_timeout",
    text: "Half a ",
    callsMax: 1,
  },
  { what: "finishes without a word", act: (call) => call.finish(), code: "empty_reply", callsMax: 1 },
  {
    what: "says NUL and half a surrogate pair",
    act: (call) => {
      call.say("a\0b\ud83dc");
      call.finish();
    },
    code: null,
    text: "a\ufffdb\ufffdc",
  },
  {
    what: "sends byte by byte, with CR LF and a character split between packets",
    act: async (call) => {
      const bytes = Buffer.from(
        'data: {"choices":[{"index":0,"delta":{"content":"naïve 🦊"},"finish_reason":null}]}\r\n\r\n',
      );
      call.response.writeHead(200, { "content-type": "text/event-stream" });
      call.response.socket?.setNoDelay(true);
      for (const byte of bytes) {
        call.response.write(Buffer.of(byte));
        await flushed(call);
      }
      call.finish();
    },
    code: null,
    text: "naïve 🦊",
  },
];

let upstream: Upstream;
let server: Server;
const callsOf = new Map<string, UpstreamCall[]>();

beforeAll(async () => {
  const acts = new Map(FAULTS.map(({ what, act }) => [what, act]));
  upstream = await startUpstream((call) => {
    const what = asked(call);
    const calls = callsOf.get(what) ?? [];
    callsOf.set(what, calls);
    calls.push(call);
    (acts.get(what) ?? whole)(call, calls.length);
  });
  server = await startServer({ env: { ...upstream.env, ...TIMERS, MAX_MESSAGES_PER_MINUTE: "0" } });
});
afterAll(async () => {
  upstream.close();
  await server.kill();
});

async function turnWith(content: string, at = server) {
  const { id } = await newConversation(at.owner);
  const { body } = await post(at, messagesPath(id), { content });
  const turn = await outcome(at.owner, body.turn.id);
  return { conversationId: id, turn, reply: await at.owner.messages.get({ message_id: body.reply.id }) };
}

test.concurrent.for(FAULTS)(
  "a provider that $what: one outcome, the text so far kept and labelled, the next turn works",
  async ({ what, code, text = "", callsMax = 3 }) => {
    const { conversationId, turn, reply } = await turnWith(what);
    expect([turn.status, turn.problem?.code ?? null]).toEqual([code === null ? "completed" : "failed", code]);
    expect(reply.content).toBe(text);
    expect(reply.status).toBe(code === null ? "complete" : text === "" ? "failed" : "incomplete");
    if (code !== null) expectAdvice(turn);
    expect(callsOf.get(what)?.length).toBeLessThanOrEqual(callsMax);
    for (const call of callsOf.get(what) ?? []) {
      await within("the end of the provider's request", call.closed);
      expect(call.authorization).toBe(`Bearer ${KEY}`);
    }
    const { screen } = await follow(server, turn.id);
    expect([screen.text, screen.end?.type]).toEqual([text, `turn.${turn.status}`]);
    expect(screen.violations).toEqual([]);

    const next = await post(server, messagesPath(conversationId), { content: "And now?" });
    expect((await outcome(server.owner, next.body.turn.id)).status).toBe("completed");
    const shown = callsOf.get("And now?")?.some(({ body }) => JSON.stringify(body).includes(KEY));
    expect(shown).toBe(false);
  },
);

/** Says in whole sentences what to do, and holds neither the key nor the words of the provider's stack. */
function expectAdvice({ problem }: Turn): void {
  const detail = problem?.detail ?? "";
  expect(detail.length).toBeGreaterThan(20);
  expect(detail).toMatch(/[.!?]$/);
  expect(JSON.stringify(problem)).not.toContain(KEY);
  expect(detail).not.toMatch(/\bat .*\.(ts|js):\d+|undefined|\[object/);
}

const LASTING: { what: string; act: (call: UpstreamCall) => void; code: string }[] = [
  {
    what: "resets every call before its headers",
    act: (call) => call.cut(),
    code: "provider_unavailable",
  },
  { what: "answers 503 for ever", act: status(503, "busy"), code: "provider_error" },
];

journey.for(LASTING)(
  "a provider that $what is asked three times for a turn, which then fails with what to do (I12)",
  async ({ act, code }, { rig }) => {
    const broken = await rig.upstream(act);
    const other = await rig.start({ env: { ...broken.env, ...TIMERS } });
    const { turn, reply } = await turnWith("Hello?", other);
    expect([turn.status, turn.problem?.code, reply.status]).toEqual(["failed", code, "failed"]);
    expectAdvice(turn);
    expect(broken.calls.length).toBe(3);
    broken.onCall = whole;
    expect((await turnWith("And now?", other)).turn.status).toBe("completed");
  },
);

journey(
  "a provider that refuses connections fails the turn with its address and what to do",
  async ({ rig }) => {
    const refused = await rig.upstream(whole);
    const other = await rig.start({ env: { ...refused.env, ...TIMERS } });
    expect((await turnWith("Hello!", other)).turn.status).toBe("completed");
    refused.close();
    const port = Number(new URL(refused.baseUrl).port);
    await within("the refusal", refusedAt(port));
    const { turn, reply } = await turnWith("Hello?", other);
    expect([turn.status, turn.problem?.code, reply.status]).toEqual([
      "failed",
      "provider_unavailable",
      "failed",
    ]);
    expect(turn.problem?.detail).toContain(String(port));
    expectAdvice(turn);
  },
);

journey(
  "a provider that is down at the start is named in each reply that fails, and used once it is back",
  async ({ rig }) => {
    const down = await rig.upstream(whole);
    const port = Number(new URL(down.baseUrl).port);
    down.close();
    await within("the refusal", refusedAt(port));
    const other = await rig.start({ env: { ...down.env, ...TIMERS, MAX_MESSAGES_PER_MINUTE: "0" } });
    const { turn } = await turnWith("Hello?", other);
    expect([turn.status, turn.problem?.code]).toEqual(["failed", "provider_unavailable"]);
    expect(turn.problem?.detail).toContain(String(port));
    expectAdvice(turn);

    const back = await rig.upstream(whole, port);
    await until("a reply of the provider that is back", async () => {
      const next = await turnWith("And now?", other);
      return next.turn.status === "completed" && next.reply.content === "All of it.";
    });
    expect(back.calls.length).toBeGreaterThan(0);
  },
);

const refusedAt = (port: number) =>
  new Promise<void>((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("error", () => resolve());
    socket.once("connect", () => {
      socket.destroy();
      setImmediate(() => void refusedAt(port).then(resolve));
    });
  });

test("a stream that never ends is ended by its cap, and says that it was cut for length", async () => {
  const what = "Never end.";
  const { id } = await newConversation(server.owner);
  const endless = (call: UpstreamCall) => {
    const piece = "word ".repeat(2_000);
    const more = () => {
      while (!call.response.destroyed && call.response.writable) {
        call.say(piece);
        if (call.response.writableNeedDrain) {
          call.response.once("drain", more);
          return;
        }
      }
    };
    more();
  };
  const before = upstream.onCall;
  upstream.onCall = (call) => (asked(call) === what ? endless(call) : before?.(call));
  const { body } = await post(server, messagesPath(id), { content: what });
  const turn = await outcome(server.owner, body.turn.id);
  upstream.onCall = before;
  const reply = await server.owner.messages.get({ message_id: body.reply.id });
  expect([turn.status, reply.status, reply.finish_reason]).toEqual(["completed", "complete", "length"]);
  expect(reply.content.length).toBeLessThan(2_000_000);
  const call = upstream.calls.find((one) => asked(one) === what) as UpstreamCall;
  await within("the end of the provider's request", call.closed);
});

test("no provider key is in the log, whatever providers answered", () => {
  expect(server.stdout() + server.stderr()).not.toContain(KEY);
});
