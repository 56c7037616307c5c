import { rmSync } from "node:fs";
import type { ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { afterAll, beforeAll, expect, test } from "vitest";
import { connectFaults } from "../../src/ports/llm/openai/faults/connect.fixture.ts";
import {
  stream as answering,
  type Fault,
  KEY_CANARY,
  SAID,
  type Scene,
  serve,
  TEXT_CANARY,
  WHOLE,
} from "../../src/ports/llm/openai/faults/scene.fixture.ts";
import { statusFaults } from "../../src/ports/llm/openai/faults/status.fixture.ts";
import { streamFaults } from "../../src/ports/llm/openai/faults/stream.fixture.ts";
import { timeFaults } from "../../src/ports/llm/openai/faults/time.fixture.ts";
import { usageFaults } from "../../src/ports/llm/openai/faults/usage.fixture.ts";
import { type Server, startServer } from "../rig/server.ts";
import { startUpstream, type Upstream, type UpstreamCall } from "../rig/upstream.ts";
import { asked } from "./journey.ts";
import {
  type LastingFault,
  PATIENT_TIMERS,
  passingFaults,
  patientFaults,
  SHORT_TIMERS,
  slowFaults,
  unwaitedFaults,
} from "./lasting-faults.ts";
import { allMessages, messagesPath, newConversation } from "./scene.ts";
import { follow, openStream, type Stream } from "./stream.ts";
import { until, within } from "./until.ts";

/** A fault, and how the provider shows it to whoever asks it by the fault's name. */
interface Row {
  name: string;
  expect: Fault["expect"];
  act(call: UpstreamCall, scene: Scene, nth: number): unknown;
  calls?: number | undefined;
  waitMs?: number | undefined;
}

const raised = (group: string, { name, handler, ...more }: LastingFault): Row => ({
  ...more,
  name: `${group} · ${name}`,
  act: ({ response }, scene, nth) => handler(response, scene, nth),
});

/** The rows of the port's own table that one provider can show without a clock of ours. */
function fromPort(group: string, faults: readonly Fault[]): Row[] {
  return faults.flatMap(({ name, call, expect }) => {
    if (typeof call === "function" || call.tls || call.baseUrl || call.drive || call.marker) return [];
    const { handler, raw } = call;
    const act: Row["act"] = ({ response }, scene, nth) =>
      raw ? raw(response.socket as Socket, scene) : handler?.(response as ServerResponse, scene, nth);
    return [{ name: `${group} · ${name}`, expect, act }];
  });
}

const ENDLESS = /never ends|infinite|flapping/;
/** These need a clock that stands still; `passingFaults` and `unwaitedFaults` have them with a real one. */
const DATED = /Retry-After (as a date|far ahead|in the past)/;

const rows: Row[] = [
  ...fromPort("connect", connectFaults),
  ...fromPort(
    "status",
    statusFaults.filter(({ name }) => !DATED.test(name)),
  ),
  ...fromPort(
    "time",
    timeFaults.filter(({ name }) => ENDLESS.test(name)),
  ),
  ...fromPort("stream", streamFaults),
  ...fromPort("usage", usageFaults),
  ...unwaitedFaults.map((fault) => raised("status", fault)),
];
/** What may be tried again takes of the budget, so it comes after what must not be. */
const isRetried = ({ expect: { retryable, says = "" } }: Row) => retryable === true && says === "";
const unretried = rows.filter((row) => !isRetried(row));
const passing = passingFaults.map((fault) => raised("passing", fault));
const retried = rows.filter(isRetried);
const slow = slowFaults.map((fault) => raised("time", fault));
const patient = patientFaults.map((fault) => raised("time", fault));
/** Each has a provider of its own, for it is one that nobody can talk to. */
const unreached = connectFaults.filter(
  ({ call }) => typeof call === "function" || call.tls || call.baseUrl !== undefined,
);

const ATTEMPTS_MAX = 3;
const BUDGET_AT_START = 3;
const ENV = { OPENAI_API_KEY: KEY_CANARY, DEFAULT_MODEL: "test-model", MAX_MESSAGES_PER_MINUTE: "0" };

type Verdict = "pass" | "safe";
const verdicts = new Map<string, { verdict: Verdict; calls: number } | { error: unknown }>();
const cleanUp: (() => unknown)[] = [];

afterAll(async () => {
  for (const clean of cleanUp) await clean();
});

async function started(env: Record<string, string>): Promise<Server> {
  const server = await startServer({ env: { ...ENV, ...env } });
  cleanUp.push(async () => {
    await server.kill();
    rmSync(server.dataDir, { recursive: true, force: true });
  });
  return server;
}

interface Place {
  server: Server;
  upstream: Upstream;
  callsOf: Map<string, { at: number; call: UpstreamCall }[]>;
  streams: Map<string, Stream>;
  turns: number;
}

/** A server with one provider, which shows each the fault that he asks for by name. */
async function placeFor(faults: readonly Row[], timers: Record<string, string> = {}): Promise<Place> {
  const callsOf: Place["callsOf"] = new Map();
  const streams: Place["streams"] = new Map();
  const acts = new Map(faults.map((row) => [row.name, row.act]));
  const upstream = await startUpstream((call) => {
    const name = asked(call);
    const calls = callsOf.get(name) ?? [];
    callsOf.set(name, calls);
    calls.push({ at: performance.now(), call });
    const act = acts.get(name);
    if (!act) return void answering(WHOLE)(call.response, null as never, 1);
    call.response.on("error", () => {});
    void act(
      call,
      sceneOf(() => streams.get(name) as Stream),
      calls.length,
    );
  });
  cleanUp.push(() => upstream.close());
  const server = await started({ ...upstream.env, ...ENV, ...timers });
  return { server, upstream, callsOf, streams, turns: 0 };
}

/** What the port's faults ask of their scene, seen from outside of the server. */
const sceneOf = (stream: () => Stream): Scene => ({
  // Time passes by itself.
  clock: { advance: async () => {} } as unknown as Scene["clock"],
  whenAsked: Promise.resolve(),
  async whenText(count = 1) {
    await until("the text", () => stream().screen.text !== "");
    await stream().event("reply.delta", Math.min(count, 1));
  },
});

/** One turn and the next in a conversation of their own; throws where a promise is broken. */
async function judge(place: Place, row: Row): Promise<{ verdict: Verdict; calls: number }> {
  const { server, callsOf, streams } = place;
  const { id } = await newConversation(server.owner);
  place.turns += 2;
  const stream = openStream(server, "", { post: { path: messagesPath(id), body: { content: row.name } } });
  streams.set(row.name, stream);
  const { turn: begun, reply: made } = await stream.event("turn.started");
  expect(await within("the end of the stream", stream.closed)).toBe("ended");
  const turn = await server.owner.turns.get({ turn_id: begun.id });
  const reply = await server.owner.messages.get({ message_id: made.id });
  const calls = callsOf.get(row.name) ?? [];

  // I3: one outcome, and the reader was told the same as is stored. I6: its text tiles.
  const { says = SAID, retryAfterS, kind, code, finishReason, usage } = row.expect;
  expect(stream.screen.violations).toEqual([]);
  expect(stream.events.filter(({ type }) => /^turn\.(completed|failed|stopped)$/.test(type))).toHaveLength(1);
  expect([turn.status, stream.screen.end?.type]).toEqual([kind, `turn.${kind}`]);
  expect(stream.screen.text).toBe(reply.content);
  // I8: what is not whole is kept and says so.
  const partly = reply.content === "" ? "failed" : "incomplete";
  expect(reply.status).toBe(kind === "completed" ? "complete" : partly);
  if (kind === "completed" || row.expect.says !== undefined) expect(reply.content).toEqual(says);
  else expect(SAID.startsWith(reply.content)).toBe(true);
  if (finishReason !== undefined) expect(reply.finish_reason).toBe(finishReason);
  if (kind === "failed") {
    expect(turn.problem?.code).toBe(code);
    expect(turn.problem?.detail).toMatch(/^[A-Z].{20,}[.!?]$/s);
    expect(turn.problem?.retry_after_s).toBe(retryAfterS);
  }
  expect(JSON.stringify([turn, reply])).not.toContain(KEY_CANARY);
  expect(JSON.stringify([turn, reply])).not.toContain(TEXT_CANARY);
  if (usage !== undefined) expectUsage(stream, usage as Parameters<typeof expectUsage>[1]);

  // I12, R9: what must not be tried again was not, and nothing too often or too early.
  const mayRepeat = row.calls === undefined && isRetried(row);
  if (row.calls !== undefined) expect(calls).toHaveLength(row.calls);
  else if (mayRepeat) expect(calls.length).toBeLessThanOrEqual(ATTEMPTS_MAX);
  else expect(calls.length).toBe(1);
  for (const [nth, { at }] of calls.entries()) {
    const before = calls[nth - 1];
    // A timer may go off a moment early.
    if (before) expect(at - before.at + 20).toBeGreaterThanOrEqual(row.waitMs ?? 0);
  }
  for (const { call } of calls) {
    await within("the end of the provider's request", call.closed);
    expect(call.authorization).toBe(`Bearer ${KEY_CANARY}`);
  }
  const { screen } = await follow(server, turn.id);
  expect([screen.text, screen.end?.type, screen.violations]).toEqual([reply.content, `turn.${kind}`, []]);

  await expectNextTurn(server, id);
  return { verdict: kind === "completed" ? "pass" : "safe", calls: calls.length };
}

function expectUsage(stream: Stream, usage: { promptTokens: number; completionTokens: number } | null): void {
  const told = stream.events.find(({ type }) => type === "reply.end");
  const { prompt_tokens, completion_tokens } = { prompt_tokens: 0, completion_tokens: 0, ...usageOf(told) };
  expect(usageOf(told)?.estimated).toBe(usage === null);
  if (usage) {
    expect({ promptTokens: prompt_tokens, completionTokens: completion_tokens }).toEqual(usage);
  }
}

const usageOf = (event: Stream["events"][number] | undefined) =>
  event?.type === "reply.end" ? event.usage : undefined;

/** The conversation goes on as if nothing had been: four messages in their places, the last one whole. */
async function expectNextTurn(server: Server, id: string): Promise<void> {
  const stream = openStream(server, "", { post: { path: messagesPath(id), body: { content: "And now?" } } });
  expect(await within("the end of the next stream", stream.closed)).toBe("ended");
  expect([stream.screen.end?.type, stream.screen.text]).toEqual(["turn.completed", SAID]);
  const messages = await allMessages(server.owner, id);
  expect(messages.map(({ seq }) => seq)).toEqual([1, 2, 3, 4]);
  expect(messages[3]?.status).toBe("complete");
}

async function judgeAll(place: Place, faults: readonly Row[]): Promise<void> {
  await Promise.all(
    faults.map(async (row) => {
      const verdict = await judge(place, row).catch((error: unknown) => ({ error }));
      verdicts.set(row.name, verdict);
    }),
  );
}

/** A provider that nobody reaches: both turns of the conversation fail, each once and cleanly. */
async function judgeUnreached({ name, call, expect: expected }: Fault): Promise<void> {
  const named = `connect · ${name}`;
  try {
    let calls = 0;
    const options = typeof call === "function" ? await call(cleanUp as (() => void)[]) : call;
    const provider = await serve(options, null as never, () => calls++);
    cleanUp.push(() => provider.close());
    const server = await started({
      DEFAULT_LLM_PROVIDER: "openai",
      OPENAI_BASE_URL: provider.baseUrl,
      // Short where it is to run out; where not, a busy machine must not take it for that.
      PARLEY_LLM_CONNECT_TIMEOUT_MS: expected.code === "provider_timeout" ? "1500" : "60000",
    });
    const { id } = await newConversation(server.owner);
    for (const nth of [1, 2]) {
      const stream = openStream(server, "", {
        post: { path: messagesPath(id), body: { content: "Hello?" } },
      });
      await within("the end of the stream", stream.closed);
      const end = stream.screen.end;
      expect([stream.screen.violations, stream.screen.text, end?.type]).toEqual([[], "", "turn.failed"]);
      const turn = end && "turn" in end ? end.turn : null;
      expect([turn?.status, turn?.problem?.code]).toEqual(["failed", expected.code]);
      expect(turn?.problem?.detail).toMatch(/^[A-Z].{20,}[.!?]$/s);
      expect(JSON.stringify(turn)).not.toContain(KEY_CANARY);
      expect((await allMessages(server.owner, id)).length).toBe(2 * nth);
    }
    verdicts.set(named, { verdict: "safe", calls });
  } catch (error) {
    verdicts.set(named, { error });
  }
}

let main: Place;

beforeAll(async () => {
  const judgeMain = async () => {
    main = await placeFor([...unretried, ...passing, ...retried]);
    await judgeAll(main, unretried);
    await judgeAll(main, passing);
    await judgeAll(main, retried);
  };
  await judgeMain();
  // Real time decides in these, so nothing else goes on beside them.
  const slowPlace = await placeFor(slow, SHORT_TIMERS);
  const patientPlace = await placeFor(patient, PATIENT_TIMERS);
  await Promise.all([judgeAll(slowPlace, slow), judgeAll(patientPlace, patient)]);
  for (const fault of unreached) await judgeUnreached(fault);
});

const names = [
  ...unreached.map(({ name }) => `connect · ${name}`),
  ...[...unretried, ...passing, ...retried, ...slow, ...patient].map(({ name }) => name),
];

test.each(names)(
  "a whole server, its provider with the fault %s: one outcome, and the next turn works",
  (name) => {
    const verdict = verdicts.get(name);
    if (verdict && "error" in verdict) throw verdict.error;
    expect(verdict?.verdict).toMatch(/pass|safe/);
  },
);

test("all of them together have not asked the provider more often than I12 allows", () => {
  const calls = main.upstream.calls.length;
  // The budget was there to be spent: some of these were asked again.
  expect(retried.some(({ name }) => (main.callsOf.get(name)?.length ?? 0) > 1)).toBe(true);
  expect(calls).toBeLessThanOrEqual(Math.floor(1.1 * main.turns) + BUDGET_AT_START);
});

test("no key of the provider, and no fault of ours, is in the log", () => {
  expect(main.server.stdout() + main.server.stderr()).not.toContain(KEY_CANARY);
  expect(main.server.stderr()).not.toMatch(/"level":"(error|fatal)"/);
});

test("the table", () => {
  const table = names.map((name) => {
    const row = verdicts.get(name);
    return row && "verdict" in row ? { name, ...row } : { name, verdict: "fail", calls: Number.NaN };
  });
  const count = (wanted: string) => table.filter(({ verdict }) => verdict === wanted).length;
  console.log(
    [
      "A provider's faults over a whole server: what each turn came to, and how often the provider was asked",
      ...table.map(({ name, verdict, calls }) => `${verdict}  ${calls}  ${name}`),
      `${count("pass")} pass, ${count("safe")} safe, ${count("fail")} fail`,
    ].join("\n"),
  );
  expect(table.filter(({ verdict }) => verdict === "fail")).toEqual([]);
});
