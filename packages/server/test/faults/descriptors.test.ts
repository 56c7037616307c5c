import { spawnSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { Agent } from "node:http";
import { connect } from "node:net";
import { expect } from "vitest";
import { call, expectProblem } from "../api/helpers.ts";
import { openSocket, refusedUpgrade } from "../realtime/socket.ts";
import { fewFiles } from "../rig/preload.ts";
import { OWNER_KEY, type Server } from "../rig/server.ts";
import { answering } from "../rig/upstream.ts";
import { journey } from "./journey.ts";
import { buildProgram } from "./kill-rig/program.ts";
import { messagesPath, newConversation, type Sent } from "./scene.ts";
import { openStream } from "./stream.ts";
import { until, within } from "./until.ts";

/** So many connections may come before no more files can be opened. */
const LEFT = 8;

const openFiles = ({ pid }: Server) => readdirSync(`/proc/${pid}/fd`).map(Number);

/** Both are Linux's. In CI what is missing is a failure, elsewhere a skip that the report names. */
const canLimit = existsSync("/proc/self/fd") && spawnSync("prlimit", ["--version"]).status === 0;
const journeyOutOfFiles = canLimit || process.env.CI === "true" ? journey : journey.skip;

/** How many files the server may have open from now on. */
function limitFiles({ pid }: Server, max: number): void {
  const { status, stderr } = spawnSync("prlimit", [`--pid=${pid}`, `--nofile=${max}:`], { encoding: "utf8" });
  if (status !== 0) throw new Error(`prlimit: ${stderr}`);
}

function dial(server: Server) {
  const socket = connect(Number(new URL(server.url).port), "127.0.0.1");
  socket.on("error", () => {});
  socket.resume();
  return { socket, closed: new Promise<void>((resolve) => void socket.once("close", () => resolve())) };
}

/** Clients come until the server can open no more files; returns what sends them away. */
async function exhaust(server: Server): Promise<() => Promise<void>> {
  limitFiles(server, Math.max(...openFiles(server)) + 1 + LEFT);
  const clients: ReturnType<typeof dial>[] = [];
  let refused = 0;
  await until("a client that is refused", () => {
    const client = dial(server);
    clients.push(client);
    void client.closed.then(() => refused++);
    return refused > 0;
  });
  // What is closed now and then by itself makes no room: not one file more is allowed than there are.
  limitFiles(server, openFiles(server).length - 2);
  return async () => {
    for (const { socket } of clients) socket.destroy();
    await Promise.all(clients.map(({ closed }) => closed));
    limitFiles(server, 1_024);
  };
}

journeyOutOfFiles(
  "out of files: who is connected goes on being served, who comes is refused, and all is well afterwards",
  async ({ rig }) => {
    const upstream = await rig.upstream();
    const server = await rig.start({ env: { ...upstream.env, MAX_MESSAGES_PER_MINUTE: "0" } });
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const ask = <T>(method: string, path: string, json?: unknown) =>
      call<T>(server, method, path, { token: OWNER_KEY, json, agent });
    const [one, other] = [await newConversation(server.owner), await newConversation(server.owner)];
    const { body } = await ask<Sent>("POST", messagesPath(one.id), { content: "Go on." });
    const stream = openStream(server, body.turn.id);
    const running = await upstream.call(1);
    running.say("One, ");
    await stream.event("reply.delta");
    const upgrade = async () => {
      const { body } = await ask<{ ticket: string }>("POST", "/api/v2/realtime/tickets");
      return body.ticket;
    };

    let release = await exhaust(server);
    await within("the refusal of who comes", dial(server).closed);
    expect((await ask("GET", "/live")).status).toBe(200);
    expect((await ask("GET", "/ready")).status).toBe(200);
    const note = { content: "A note.", reply: false };
    expect((await ask("POST", messagesPath(one.id), note)).status).toBe(201);
    running.say("two, ");
    await stream.event("reply.delta", 2);
    // What would have to open a file says so, and is asked for again later.
    for (const path of ["/metrics", "/docs"]) {
      const refused = await ask("GET", path);
      expectProblem(refused as never, 503, "overloaded");
      expect(Number(refused.headers["retry-after"])).toBeGreaterThan(0);
    }
    const ticket = await upgrade();
    const refused = await refusedUpgrade(server, `/api/v2/realtime?ticket=${ticket}`, { agent });
    expect([refused.status, JSON.parse(refused.body).code]).toEqual([503, "overloaded"]);
    await release();

    // A turn whose provider cannot be connected to ends at once, and says why.
    const socket = await openSocket(server);
    await socket.ask({ type: "conversation.subscribe", conversation_id: other.id });
    release = await exhaust(server);
    const sent = await socket.ask({
      type: "message.send",
      conversation_id: other.id,
      content: "Are you there?",
      client_message_id: "1",
    });
    expect(sent.type).toBe("ack");
    const failed = await socket.frame("turn.failed");
    expect(failed.problem.code).toBe("provider_unavailable");
    expect(failed.problem.detail).toMatch(/may open no more connections.*limit of open files/);
    running.say("three.");
    running.finish();
    expect(await within("the end of the stream", stream.closed)).toBe("ended");
    expect([stream.screen.text, stream.screen.end?.type]).toEqual(["One, two, three.", "turn.completed"]);
    expect(stream.screen.violations).toEqual([]);
    await release();

    upstream.onCall = answering("Here.");
    const next = openStream(server, "", {
      post: { path: messagesPath(other.id), body: { content: "And now?" } },
    });
    await within("the end of the next turn", next.closed);
    expect([next.screen.text, next.screen.end?.type]).toEqual(["Here.", "turn.completed"]);
    for (const path of ["/metrics", "/docs", "/ready"]) expect((await ask("GET", path)).status).toBe(200);
    expect(await socket.ask({ type: "ping" })).toMatchObject({ type: "pong" });
    socket.close();
    agent.destroy();
    expect(server.stderr()).not.toMatch(/"at":|\n\s+at |"level":"(error|fatal)"/);
    expect(await within("the exit", server.kill("SIGTERM"))).toBe(0);
  },
);

journeyOutOfFiles(
  "a start that may not open as many files as it needs says so in one sentence",
  async ({ rig }) => {
    const { entry, remove } = await buildProgram();
    const starts: string[] = [];
    for (let left = 1; left <= 14; left++) {
      const start = rig.start({ entry, env: fewFiles(left) });
      starts.push(
        await start.then(
          () => "started",
          (error: Error) => error.message,
        ),
      );
    }
    remove();
    const refusals = starts.filter((start) => start !== "started");
    expect(refusals.length).toBeGreaterThan(0);
    for (const refusal of refusals) {
      const forPeople = refusal.split("\n").filter((line) => !line.startsWith("{") && line !== "");
      expect(forPeople).toEqual(["the server ended with 1", expect.stringMatching(/^parley: .+\.$/)]);
      expect(refusal).not.toMatch(/"at":|"level":"(error|fatal)"/);
    }
  },
);
