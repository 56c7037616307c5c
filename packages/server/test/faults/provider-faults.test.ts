import { connect } from "node:net";
import type { Turn } from "@parley-chat/sdk";
import { expect } from "vitest";
import { lastingPort, type Server } from "../rig/server.ts";
import type { UpstreamCall } from "../rig/upstream.ts";
import { journey } from "./journey.ts";
import { messagesPath, newConversation, outcome, post } from "./scene.ts";
import { until, within } from "./until.ts";

const KEY = "sk-upstream-canary";
/** Small enough for a test, large enough for a busy machine to answer in time. */
const TIMERS = {
  PARLEY_LLM_FIRST_TOKEN_TIMEOUT_MS: "4000",
  PARLEY_LLM_BETWEEN_TOKENS_TIMEOUT_MS: "4000",
  PARLEY_LLM_IDLE_TIMEOUT_MS: "6000",
  PARLEY_LLM_CALL_TIMEOUT_MS: "20000",
};

const status =
  (code: number, body: string, headers: Record<string, string> = {}) =>
  (call: UpstreamCall) => {
    call.response.writeHead(code, { "content-type": "application/json", ...headers });
    call.response.end(body);
  };
const whole = (call: UpstreamCall) => {
  call.say("All of it.");
  call.finish();
};

async function turnWith(content: string, at: Server) {
  const { id } = await newConversation(at.owner);
  const { body } = await post(at, messagesPath(id), { content });
  const turn = await outcome(at.owner, body.turn.id);
  return { turn, reply: await at.owner.messages.get({ message_id: body.reply.id }) };
}

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
    const refused = await rig.upstream(whole, await lastingPort());
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
    const port = await lastingPort();
    const down = await rig.upstream(whole, port);
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
