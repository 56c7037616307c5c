import { execFileSync } from "node:child_process";
import { appendFileSync, closeSync, openSync, readdirSync, readFileSync, statSync, writeSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import { OWNER_KEY, type Server } from "../rig/server.ts";
import { answering } from "../rig/upstream.ts";
import { asked, journey, type Rig } from "./journey.ts";
import { allMessages, messagesPath, newConversation, outcome, post, ready, refusal } from "./scene.ts";
import { follow, openStream } from "./stream.ts";
import { until, within } from "./until.ts";

/**
 * The real thing where the system lets us: no file of the server may grow (util-linux; Node ignores the
 * signal that comes with it), so every write to its stores is refused by the kernel.
 */
const limitFiles = (server: Server, bytes: "0" | "unlimited") =>
  execFileSync("prlimit", ["--pid", String(server.pid), `--fsize=${bytes}:unlimited`]);

const hasPrlimit = (() => {
  try {
    execFileSync("prlimit", ["--version"]);
    return true;
  } catch {
    return false;
  }
})();

// In CI what is missing is a failure, elsewhere a skip that the report names.
const journeyOnFullDisk = hasPrlimit || process.env.CI === "true" ? journey : journey.skip;

const send = (server: Server, conversationId: string, id: string) =>
  post(server, messagesPath(conversationId), { content: `Number ${id}`, client_message_id: id });

const isRed = async (server: Server) => (await ready(server)).status === 503;
const isGreen = async (server: Server) => (await ready(server)).status === 200;

journeyOnFullDisk(
  "while the disk refuses, sends are 503 and never acknowledged, reading goes on, and recovery needs no restart",
  async ({ rig }) => {
    const upstream = await rig.upstream();
    const server = await rig.start({ env: upstream.env });
    const { id } = await newConversation(server.owner);
    const first = await send(server, id, "1");
    const call = await upstream.call(1);
    const stream = openStream(server, first.body.turn.id);
    call.say("Said before, ");
    await stream.event("reply.delta");
    expect(await isGreen(server)).toBe(true);

    limitFiles(server, "0");
    const refused = await send(server, id, "2");
    expect([refused.status, refused.body]).toMatchObject([503, { code: "storage_unavailable" }]);
    expect(Number(refused.headers.get("retry-after"))).toBeGreaterThan(0);
    await until("/ready to be red", () => isRed(server));
    expect((await ready(server)).checks).toMatchObject({ messages: "failing" });
    expect((await fetch(`${server.url}/live`)).status).toBe(200);
    const other = { name: "Nobody" };
    expect((await refusal(server.owner.characters.create(other))).code).toBe("storage_unavailable");
    const stopping = server.owner.turns.stop({ turn_id: first.body.turn.id });
    expect((await refusal(stopping)).code).toBe("storage_unavailable");

    // Reading goes on, and so does the reply.
    expect((await allMessages(server.owner, id)).map(({ seq }) => seq)).toEqual([1, 2]);
    call.say("said meanwhile.");
    await stream.event("reply.delta", 2);
    call.finish();
    expect((await send(server, id, "2")).status).toBe(503);
    expect((await server.owner.turns.get({ turn_id: first.body.turn.id })).status).toBe("running");

    limitFiles(server, "unlimited");
    await until("/ready to be green", () => isGreen(server));
    expect((await outcome(server.owner, first.body.turn.id)).status).toBe("completed");
    await within("the end of the stream", stream.closed);
    expect([stream.screen.text, stream.screen.violations]).toEqual(["Said before, said meanwhile.", []]);

    upstream.onCall = (next) => answering(`To ${asked(next)}`)(next);
    const again = await send(server, id, "2");
    expect([again.status, again.isReplayed]).toEqual([202, false]);
    expect((await outcome(server.owner, again.body.turn.id)).status).toBe("completed");
    const messages = await allMessages(server.owner, id);
    expect(messages.map(({ content }) => content)).toEqual([
      "Number 1",
      "Said before, said meanwhile.",
      "Number 2",
      "To Number 2",
    ]);
    expect(messages[0]).toEqual(first.body.message);
    expect(upstream.calls.length).toBe(2);
  },
);

journeyOnFullDisk(
  "a refused outcome alone turns /ready red, and is stored after recovery",
  async ({ rig }) => {
    const upstream = await rig.upstream();
    const server = await rig.start({ env: upstream.env });
    const { id } = await newConversation(server.owner);
    const { body } = await send(server, id, "1");
    const call = await upstream.call(1);
    limitFiles(server, "0");
    call.say("Kept.");
    call.finish();
    await until("/ready to be red", () => isRed(server));
    limitFiles(server, "unlimited");
    await until("/ready to be green", () => isGreen(server));
    expect((await outcome(server.owner, body.turn.id)).status).toBe("completed");
    expect((await follow(server, body.turn.id)).screen.text).toBe("Kept.");
    expect(upstream.calls.length).toBe(1);
  },
);

journeyOnFullDisk(
  "kill -9 while the disk refuses loses nothing that was acknowledged, and invents nothing",
  async ({ rig }) => {
    const upstream = await rig.upstream((call) => answering(`To ${asked(call)}`)(call));
    const server = await rig.start({ env: upstream.env });
    const { id } = await newConversation(server.owner);
    const kept = await send(server, id, "1");
    await outcome(server.owner, kept.body.turn.id);
    limitFiles(server, "0");
    expect((await send(server, id, "2")).status).toBe(503);
    await server.kill();
    const restarted = await rig.start({ dataDir: server.dataDir, env: upstream.env });
    const messages = await allMessages(restarted.owner, id);
    expect(messages.map(({ content }) => content)).toEqual(["Number 1", "To Number 1"]);
    expect((await send(restarted, id, "2")).isReplayed).toBe(false);
  },
);

journeyOnFullDisk(
  "a failed call whose next attempt cannot be stored is taken up after recovery, and ends in one outcome",
  async ({ rig }) => {
    const upstream = await rig.upstream();
    const server = await rig.start({ env: upstream.env });
    const { id } = await newConversation(server.owner);
    const { body } = await send(server, id, "1");
    const call = await upstream.call(1);
    limitFiles(server, "0");
    call.response.writeHead(500, { "content-type": "application/json" });
    call.response.end("{}");
    await until("/ready to be red", () => isRed(server));
    upstream.onCall = answering("After all.");
    limitFiles(server, "unlimited");
    expect((await outcome(server.owner, body.turn.id)).status).toBe("completed");
    const { screen } = await follow(server, body.turn.id);
    expect([screen.text, screen.violations]).toEqual(["After all.", []]);
    expect(upstream.calls.length).toBe(2);
  },
);

journeyOnFullDisk(
  "SIGTERM while the disk refuses an outcome ends in time, and the next start makes the turn whole",
  async ({ rig }) => {
    const upstream = await rig.upstream();
    const server = await rig.start({ env: { ...upstream.env, PARLEY_DRAIN_TIMEOUT_MS: "300" } });
    const { id } = await newConversation(server.owner);
    const { body } = await send(server, id, "1");
    const call = await upstream.call(1);
    limitFiles(server, "0");
    call.say("Lost.");
    call.finish();
    await until("/ready to be red", () => isRed(server));
    process.kill(server.pid, "SIGTERM");
    expect(typeof (await within("the exit", server.exited))).toBe("number");
    upstream.onCall = answering("Kept.");
    const restarted = await rig.start({ dataDir: server.dataDir, env: upstream.env });
    expect((await outcome(restarted.owner, body.turn.id)).status).toBe("completed");
    expect((await allMessages(restarted.owner, id)).map(({ content }) => content)).toEqual([
      "Number 1",
      "Kept.",
    ]);
  },
);

journey(
  "what a power cut leaves behind the last commit of a log is no damage, and costs nothing",
  async ({ rig }) => {
    const upstream = await rig.upstream((call) => answering(`To ${asked(call)}`)(call));
    const server = await rig.start({ env: upstream.env });
    const { id } = await newConversation(server.owner);
    await outcome(server.owner, (await send(server, id, "1")).body.turn.id);
    const before = await allMessages(server.owner, id);
    await server.kill();
    for (const name of ["messages.db-wal", "parley.db-wal"]) {
      const path = join(server.dataDir, name);
      expect(statSync(path).size).toBeGreaterThan(0);
      appendFileSync(path, Buffer.alloc(6_000, 0x5a));
    }
    const restarted = await rig.start({ dataDir: server.dataDir, env: upstream.env });
    expect(await allMessages(restarted.owner, id)).toEqual(before);
    expect((await outcome(restarted.owner, (await send(restarted, id, "2")).body.turn.id)).status).toBe(
      "completed",
    );
  },
);

journey(
  "a full disk inside the write of a send rolls it back whole, and the retry stores it once",
  async ({ rig }) => {
    const upstream = await rig.upstream(answering("Here."));
    const server = await rig.start({ env: upstream.env, failpoints: ["k02:enospc"] });
    const { id } = await newConversation(server.owner);
    const refused = await send(server, id, "1");
    expect([refused.status, refused.body]).toMatchObject([503, { code: "storage_unavailable" }]);
    expect(await allMessages(server.owner, id)).toEqual([]);
    const again = await send(server, id, "1");
    expect([again.status, again.isReplayed]).toEqual([202, false]);
    expect((await outcome(server.owner, again.body.turn.id)).status).toBe("completed");
    expect((await allMessages(server.owner, id)).map(({ seq }) => seq)).toEqual([1, 2]);
  },
);

journey(
  "a full disk inside the write of an outcome delays it: the reply is stored once, without another call",
  async ({ rig }) => {
    const upstream = await rig.upstream(answering("Here."));
    const server = await rig.start({ env: upstream.env, failpoints: ["k12:enospc@1", "k12:enospc@2"] });
    const { id } = await newConversation(server.owner);
    const { body } = await send(server, id, "1");
    const { screen } = await follow(server, body.turn.id);
    expect([screen.text, screen.end?.type, screen.violations]).toEqual(["Here.", "turn.completed", []]);
    expect((await server.owner.turns.get({ turn_id: body.turn.id })).status).toBe("completed");
    expect(upstream.calls.length).toBe(1);
  },
);

/** A conversation with a long reply, and the folder that is left by a clean stop. */
async function longTalk(rig: Rig) {
  const upstream = await rig.upstream((call) => answering(`${asked(call)} `.repeat(2_000))(call));
  const server = await rig.start({ env: upstream.env });
  const { id } = await newConversation(server.owner);
  await outcome(server.owner, (await send(server, id, "1")).body.turn.id);
  expect(await server.kill("SIGTERM")).toBe(0);
  expect(readdirSync(server.dataDir)).not.toContain("messages.db-wal");
  return { id, dataDir: server.dataDir, path: join(server.dataDir, "messages.db"), env: upstream.env };
}

const PAGE_BYTES = 4_096;

/** Writes over bytes of a file. */
function harm(path: string, at: number, bytes: number): void {
  const file = openSync(path, "r+");
  writeSync(file, Buffer.alloc(bytes, 0xa5), 0, bytes, at);
  closeSync(file);
}

journey(
  "a file whose schema is damaged is refused at the start, in one sentence that names it",
  async ({ rig }) => {
    const { dataDir, path, env } = await longTalk(rig);
    const HEADER_BYTES = 100;
    harm(path, HEADER_BYTES, PAGE_BYTES - HEADER_BYTES);
    const start = rig.start({ dataDir, env });
    await expect(start).rejects.toThrow(/messages\.db is damaged or not a Parley file;/);
  },
);

journey(
  "a damaged page fails the calls that need it, is told of in the log, and never ends the process",
  async ({ rig }) => {
    const { id, dataDir, path, env } = await longTalk(rig);
    // A page that the long reply runs on to: the number of the next such page, then text.
    const file = readFileSync(path);
    const isMeant = (at: number) => file.subarray(at + 4, at + 40).includes("Number 1 Number");
    const at = Array.from({ length: file.length / PAGE_BYTES }, (_, n) => n * PAGE_BYTES).find(isMeant);
    harm(path, at as number, 4);

    const server = await rig.start({ dataDir, env });
    const headers = { authorization: `Bearer ${OWNER_KEY}` };
    const list = await fetch(`${server.url}${messagesPath(id)}`, { headers });
    expect([list.status, await list.json()]).toMatchObject([500, { code: "internal" }]);
    await until("the log to tell of it", () => server.stderr().includes("database disk image is malformed"));
    const refused = await send(server, id, "2");
    expect([refused.status, refused.body]).toMatchObject([
      503,
      { code: "storage_unavailable", detail: expect.stringContaining("restore a backup") },
    ]);
    // No waiting mends it.
    expect(refused.headers.get("retry-after")).toBeNull();
    await until("the log to tell of that too", () => server.stderr().includes("a store refuses writes"));
    expect((await fetch(`${server.url}/live`)).status).toBe(200);
    expect(await server.owner.users.me()).toMatchObject({ role: "owner" });
    expect(server.stderr()).not.toMatch(/a fault of ours/);
  },
);
