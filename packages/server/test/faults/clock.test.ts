import type { Conversation } from "@parley-chat/sdk";
import { expect } from "vitest";
import { call, expectProblem, manyAddresses, newAddress, newPerson, type SignedIn } from "../api/helpers.ts";
import { newTicket, openSocket } from "../realtime/socket.ts";
import { movedClock } from "../rig/preload.ts";
import { OWNER_KEY, type Server } from "../rig/server.ts";
import { answering } from "../rig/upstream.ts";
import { journey } from "./journey.ts";
import { allMessages, messagesPath, newConversation, outcome, post } from "./scene.ts";
import { createScreen } from "./screen.ts";
import { openStream } from "./stream.ts";
import { until, within } from "./until.ts";

const HOUR_MS = 3_600_000;
/** By how much the clock is wrong, one after the other: forward, back, far forward, right again. */
const JUMPS_MS = [2 * HOUR_MS, -2 * HOUR_MS, 26 * HOUR_MS, 0];
/** Far less than a jump, far more than a test takes. */
const NEAR_MS = HOUR_MS / 2;

const isNear = (time: string, movedMs: number) => Math.abs(Date.parse(time) - Date.now() - movedMs) < NEAR_MS;

/** Moves the clock and waits until what the server stamps shows it. */
async function jump(clock: ReturnType<typeof movedClock>, server: Server, movedMs: number): Promise<void> {
  clock.moveTo(movedMs);
  await until("the new time", async () => {
    const { created_at } = await newConversation(server.owner);
    return isNear(created_at, movedMs);
  });
}

async function allConversations(server: Server): Promise<string[]> {
  const ids: string[] = [];
  let cursor: string | null = null;
  do {
    const page: { items: Conversation[]; next_cursor: string | null } = await server.owner.conversations.list(
      { limit: 2, ...(cursor !== null && { cursor }) },
    );
    ids.push(...page.items.map(({ id }) => id));
    cursor = page.next_cursor;
  } while (cursor !== null);
  return ids;
}

journey(
  "the clock jumps by hours, forward and back, in the middle of turns: nothing ends, is lost or comes twice",
  async ({ rig }) => {
    const upstream = await rig.upstream();
    const clock = movedClock();
    const env = { ...upstream.env, ...clock.env, MAX_MESSAGES_PER_MINUTE: "0" };
    const server = await rig.start({ env });
    const { id } = await newConversation(server.owner);
    const socket = await openSocket(server);
    await socket.ask({ type: "conversation.subscribe", conversation_id: id });
    const made = new Set([id]);

    for (const [nth, movedMs] of JUMPS_MS.entries()) {
      const body = { content: `Number ${nth}`, client_message_id: `${nth}` };
      const sent = (await post(server, messagesPath(id), body)).body;
      const stream = openStream(server, sent.turn.id);
      const model = await upstream.call(nth + 1);
      model.say("Before, ");
      const { cursor } = await stream.event("reply.delta");
      const ticket = await newTicket(server);

      await jump(clock, server, movedMs);
      model.say("after.");
      await stream.event("reply.delta", 2);
      const resumed = openStream(server, sent.turn.id, {
        after: cursor,
        screen: createScreen({ text: "Before, ", epoch: stream.screen.epoch }),
      });
      await resumed.event("reply.delta");
      const again = await post(server, messagesPath(id), body);
      expect([again.isReplayed, again.body.turn.id]).toEqual([true, sent.turn.id]);
      model.finish();
      for (const one of [stream, resumed]) {
        expect(await within("the end of a stream", one.closed)).toBe("ended");
        expect([one.screen.text, one.screen.end?.type]).toEqual(["Before, after.", "turn.completed"]);
        expect([one.screen.resets, one.screen.violations]).toEqual([0, []]);
      }
      // A ticket and a socket live by the time that passes, not by what the clock says.
      (await openSocket(server, { ticket })).close();
      expect(await socket.ask({ type: "ping" })).toMatchObject({ type: "pong" });
      await socket.frame("turn.completed", nth + 1);
      const another = await newConversation(server.owner);
      expect(isNear(another.created_at, movedMs)).toBe(true);
      // Ids tell the time that the clock showed, whatever came before.
      expect(
        Math.abs(Number.parseInt(another.id.replace("-", "").slice(0, 12), 16) - Date.now() - movedMs),
      ).toBeLessThan(NEAR_MS);
      made.add(another.id);
    }

    expect(upstream.calls.length).toBe(JUMPS_MS.length);
    const messages = await allMessages(server.owner, id);
    expect(messages.map(({ seq }) => seq)).toEqual(messages.map((_, n) => n + 1));
    expect(messages.filter(({ role }) => role === "user").map(({ content }) => content)).toEqual(
      JUMPS_MS.map((_, nth) => `Number ${nth}`),
    );
    const listed = await allConversations(server);
    expect(new Set(listed).size).toBe(listed.length);
    for (const one of made) expect(listed).toContain(one);
    expect(server.stderr()).not.toMatch(/"level":"(error|fatal)"/);
    socket.close();
  },
);

journey(
  "a jump of the clock, forward or back, moves no timer of a provider that has fallen silent",
  async ({ rig }) => {
    const upstream = await rig.upstream();
    const clock = movedClock();
    const timers = {
      PARLEY_LLM_FIRST_TOKEN_TIMEOUT_MS: "10000",
      PARLEY_LLM_BETWEEN_TOKENS_TIMEOUT_MS: "10000",
    };
    const server = await rig.start({ env: { ...upstream.env, ...clock.env, ...timers } });
    const sent = [];
    for (const said of ["", "Before, "]) {
      const { id } = await newConversation(server.owner);
      const { turn } = (await post(server, messagesPath(id), { content: "Go on." })).body;
      const stream = openStream(server, turn.id);
      const model = await upstream.call(sent.length + 1);
      model.say(said);
      if (said !== "") await stream.event("reply.delta");
      sent.push({ said, turn, stream });
    }
    for (const movedMs of [26 * HOUR_MS, -2 * HOUR_MS]) await jump(clock, server, movedMs);
    for (const { said, turn, stream } of sent) {
      const { status, problem } = await outcome(server.owner, turn.id);
      expect([status, problem?.code]).toEqual(["failed", "provider_timeout"]);
      await within("the end of a stream", stream.closed);
      expect([stream.screen.text, stream.screen.violations]).toEqual([said, []]);
    }
  },
);

journey(
  "a turn that was cut when the clock was hours ahead is made whole by a start when it is right again",
  async ({ rig }) => {
    const upstream = await rig.upstream();
    const clock = movedClock();
    const env = { ...upstream.env, ...clock.env };
    const server = await rig.start({ env });
    await jump(clock, server, 26 * HOUR_MS);
    const { id } = await newConversation(server.owner);
    const sent = (await post(server, messagesPath(id), { content: "Go on." })).body;
    (await upstream.call(1)).say("Half");
    await until("the claim", async () => {
      return (await server.owner.turns.get({ turn_id: sent.turn.id })).status === "running";
    });
    await server.kill("SIGKILL");
    upstream.onCall = answering("Whole.");
    const restarted = await rig.start({ dataDir: server.dataDir, env: upstream.env });
    expect((await outcome(restarted.owner, sent.turn.id)).status).toBe("completed");
    const next = (await post(restarted, messagesPath(id), { content: "And now?" })).body;
    expect((await outcome(restarted.owner, next.turn.id)).status).toBe("completed");
    expect((await allMessages(restarted.owner, id)).map(({ seq }) => seq)).toEqual([1, 2, 3, 4]);
    expect(upstream.calls.length).toBe(3);
  },
);

journey(
  "after a jump of the clock limits still count by the time that passed, and people stay signed in",
  async ({ rig }) => {
    const clock = movedClock();
    const server = await rig.start({
      env: { ...manyAddresses, ...clock.env, MAX_MESSAGES_PER_MINUTE: "0", MAX_MESSAGES_PER_HOUR: "3" },
    });
    const ann = await newPerson(server);
    const { id } = await newConversation(ann.client);
    let token = ann.token;
    const note = (tokenNow: string) =>
      call(server, "POST", messagesPath(id), { token: tokenNow, json: { content: "x", reply: false } });
    for (let n = 0; n < 3; n++) expect((await note(token)).status).toBe(201);
    let refreshToken = ann.refreshToken;
    for (const movedMs of JUMPS_MS) {
      await jump(clock, server, movedMs);
      // What was signed by a clock ahead of this one is good; what is old is asked for anew.
      const refreshed = await call<SignedIn["session"] & SignedIn>(
        server,
        "POST",
        "/api/v2/sessions/refresh",
        {
          json: { refresh_token: refreshToken },
          headers: newAddress(),
        },
      );
      expect(refreshed.status).toBe(201);
      refreshToken = refreshed.body.session.refresh_token;
      token = refreshed.body.session.access_token;
      const refused = await note(token);
      const { retry_after_s = 0 } = expectProblem(refused, 429, "rate_limited");
      expect(retry_after_s).toBeGreaterThan(0);
      expect(retry_after_s).toBeLessThanOrEqual(3_600);
      expect((await server.client(token).users.me()).id).toBe(ann.id);
    }
    expect((await call(server, "GET", "/api/v2/users/me", { token: OWNER_KEY })).status).toBe(200);
  },
);

journey(
  "an event loop that stands still for seconds runs no turn twice, and its readers see no gap",
  async ({ rig }) => {
    const upstream = await rig.upstream();
    const server = await rig.start({
      env: { ...upstream.env, MAX_MESSAGES_PER_MINUTE: "0" },
      // Two stalls of 2 s, and one for longer than a lease lasts.
      failpoints: ["k10:delay=2000@2", "k10:delay=2000@5", "k10:delay=7000@8"],
    });
    const socket = await openSocket(server);
    const turns = await Promise.all(
      [1, 2].map(async (nth) => {
        const { id } = await newConversation(server.owner);
        await socket.ask({ type: "conversation.subscribe", conversation_id: id });
        const { turn } = (await post(server, messagesPath(id), { content: `Number ${nth}` })).body;
        return { id, turn, stream: openStream(server, turn.id) };
      }),
    );
    const models = [await upstream.call(1), await upstream.call(2)];
    const words = ["one, ", "two, ", "three, ", "four, ", "five."];
    for (const [nth, word] of words.entries()) {
      for (const model of models) model.say(word);
      for (const { stream } of turns) {
        await until("the word", () => stream.screen.text === words.slice(0, nth + 1).join(""));
      }
    }
    for (const model of models) model.finish();
    for (const { id, turn, stream } of turns) {
      expect(await within("the end of a stream", stream.closed)).toBe("ended");
      expect([stream.screen.text, stream.screen.end?.type]).toEqual([words.join(""), "turn.completed"]);
      expect([stream.screen.resets, stream.screen.violations]).toEqual([0, []]);
      const screen = createScreen();
      screen.connect(null);
      await until("the same on the socket", () =>
        socket.events().some((event) => event.type === "turn.completed" && event.turn_id === turn.id),
      );
      for (const event of socket.events()) if (event.turn_id === turn.id) screen.apply(event);
      expect([screen.text, screen.resets, screen.violations]).toEqual([words.join(""), 0, []]);
      expect((await allMessages(server.owner, id)).length).toBe(2);
    }
    expect(server.stderr().match(/failpoint k10 hit (2|5|8)\n/g)).toHaveLength(3);
    expect(upstream.calls.length).toBe(2);
    upstream.onCall = answering("Here.");
    const { turn } = (await post(server, messagesPath(turns[0]?.id as string), { content: "And now?" })).body;
    expect((await outcome(server.owner, turn.id)).status).toBe("completed");
    socket.close();
  },
);
