import { once } from "node:events";
import { readdirSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { expect } from "vitest";
import { newDataDir, OWNER_KEY, runParley, type Server } from "../rig/server.ts";
import { answering } from "../rig/upstream.ts";
import { journey } from "./journey.ts";
import { allMessages, messagesPath, newConversation, outcome, post, ready, refusal } from "./scene.ts";
import { follow, openStream } from "./stream.ts";
import { until, within } from "./until.ts";

const send = async (server: Server, conversationId: string, content = "Go on.") =>
  (await post(server, messagesPath(conversationId), { content })).body;

/** Waits until the server has begun to stop. */
const draining = (server: Server) =>
  until("the drain", async () => (await fetch(`${server.url}/api/v2/models`)).status === 503);

/** Starts that must be refused: one sentence for people, status 1, no stack. */
async function expectRefusedStart(
  options: { dataDir?: string; env?: Record<string, string> },
  sentence: RegExp,
): Promise<void> {
  const { code, stdout, stderr } = await runParley(["start"], { ...options, entry: "main" });
  expect([code, stdout]).toEqual([1, ""]);
  expect(stderr).toMatch(/^parley: [^\n]+\n$/);
  expect(stderr).toMatch(sentence);
  expect(stderr).not.toMatch(/\bat .*:\d+|node:internal|Error:/);
}

journey(
  "SIGTERM lets a running turn speak to its end, refuses new calls with 503, and exits 0",
  async ({ rig }) => {
    const upstream = await rig.upstream();
    const server = await rig.start({ env: upstream.env });
    const { id } = await newConversation(server.owner);
    const { turn } = await send(server, id);
    const stream = openStream(server, turn.id);
    const call = await upstream.call(1);
    call.say("To the ");
    await stream.event("reply.delta");
    process.kill(server.pid, "SIGTERM");
    await draining(server);
    const refused = await post(server, messagesPath(id), { content: "One more." });
    expect(refused.status).toBe(503);
    expect(refused.body).toMatchObject({ code: "draining" });
    expect(Number(refused.headers.get("retry-after"))).toBeGreaterThan(0);
    expect((await fetch(`${server.url}/ready`)).status).toBe(503);
    expect((await fetch(`${server.url}/live`)).status).toBe(200);

    call.say("very end.");
    call.finish();
    expect(await within("the exit", server.exited)).toBe(0);
    expect(await stream.closed).toBe("ended");
    expect([stream.screen.text, stream.screen.end?.type]).toEqual(["To the very end.", "turn.completed"]);
    expect(stream.screen.violations).toEqual([]);
    const restarted = await rig.start({ dataDir: server.dataDir, env: upstream.env });
    expect((await restarted.owner.turns.get({ turn_id: turn.id })).status).toBe("completed");
    expect(upstream.calls.length).toBe(1);
  },
);

journey(
  "a turn that outlives PARLEY_DRAIN_TIMEOUT_MS is handed back and made whole by the next start",
  async ({ rig }) => {
    const upstream = await rig.upstream();
    const server = await rig.start({ env: { ...upstream.env, PARLEY_DRAIN_TIMEOUT_MS: "300" } });
    const { id } = await newConversation(server.owner);
    const running = await send(server, id, "Number 1");
    const queued = await send(server, id, "Number 2");
    const stream = openStream(server, running.turn.id);
    const call = await upstream.call(1);
    call.say("Too long");
    await stream.event("reply.delta");
    process.kill(server.pid, "SIGTERM");
    expect(await within("the exit", server.exited)).toBe(0);
    await within("the end of the provider's request", call.closed);
    await within("the end of the stream", stream.closed);
    expect(stream.screen.end).toBeNull();

    upstream.onCall = answering("Whole.");
    const restarted = await rig.start({ dataDir: server.dataDir, env: upstream.env });
    for (const { turn } of [running, queued]) {
      expect((await outcome(restarted.owner, turn.id)).status).toBe("completed");
    }
    const { screen } = await follow(restarted, running.turn.id, {
      after: stream.screen.cursor as string,
      screen: stream.screen,
    });
    expect([screen.text, screen.resets, screen.violations]).toEqual(["Whole.", 1, []]);
    expect(upstream.calls.length).toBe(3);
  },
);

journey(
  "a repeated signal within half a second is the same one; a later one ends at once",
  async ({ rig }) => {
    const upstream = await rig.upstream();
    const server = await rig.start({ env: upstream.env });
    const { id } = await newConversation(server.owner);
    await send(server, id);
    await upstream.call(1);
    // They meet it together, however long this process is held up between them.
    for (const signal of ["SIGSTOP", "SIGINT", "SIGTERM", "SIGHUP", "SIGCONT"])
      process.kill(server.pid, signal);
    await draining(server);
    const from = performance.now();
    await until("half a second", () => performance.now() - from > 600);
    // It still drains: the repeats did not count.
    expect((await fetch(`${server.url}/live`)).status).toBe(200);
    process.kill(server.pid, "SIGINT");
    expect(await within("the exit", server.exited)).toBe(130);

    upstream.onCall = answering("Here.");
    const restarted = await rig.start({ dataDir: server.dataDir, env: upstream.env });
    await until("the turn", async () => {
      const { active_turn_id } = await restarted.owner.conversations.get({ conversation_id: id });
      return active_turn_id === null;
    });
  },
);

journey(
  "kill -9 in the middle of a drain leaves nothing behind that the next start does not end",
  async ({ rig }) => {
    const upstream = await rig.upstream();
    const server = await rig.start({ env: upstream.env });
    const { id } = await newConversation(server.owner);
    const { turn } = await send(server, id);
    (await upstream.call(1)).say("Half");
    process.kill(server.pid, "SIGTERM");
    await draining(server);
    expect(await server.kill("SIGKILL")).toBe("SIGKILL");
    upstream.onCall = answering("Whole.");
    const restarted = await rig.start({ dataDir: server.dataDir, env: upstream.env });
    expect((await outcome(restarted.owner, turn.id)).status).toBe("completed");
    expect((await follow(restarted, turn.id)).screen.text).toBe("Whole.");
  },
);

journey(
  "a second process on the same data folder is refused in one sentence, and the first goes on",
  async ({ rig }) => {
    const server = await rig.start();
    await expectRefusedStart({ dataDir: server.dataDir }, /in use by another Parley.*PARLEY_DATA_DIR/);
    expect((await server.owner.users.me()).role).toBe("owner");
    await server.kill();
    // The lock died with its process.
    const restarted = await rig.start({ dataDir: server.dataDir });
    expect((await restarted.owner.users.me()).role).toBe("owner");
  },
);

journey(
  "a server whose lock was removed stores nothing more, so that a second one on the folder is alone",
  async ({ rig }) => {
    const first = await rig.start();
    const { id } = await newConversation(first.owner);
    const note = { content: "A note.", reply: false };
    expect((await post(first, messagesPath(id), note)).status).toBe(201);
    rmSync(join(first.dataDir, "lock.db"));
    const second = await rig.start({ dataDir: first.dataDir });
    const refused = await post(first, messagesPath(id), note);
    expect([refused.status, refused.body]).toMatchObject([503, { code: "storage_unavailable" }]);
    expect(await refusal(first.owner.characters.create({ name: "Nobody" }))).toMatchObject({ status: 503 });
    expect((await ready(first)).status).toBe(503);
    expect((await post(second, messagesPath(id), note)).status).toBe(201);
    expect(await first.kill("SIGTERM")).toBe(0);
    expect((await post(second, messagesPath(id), note)).status).toBe(201);
    expect((await allMessages(second.owner, id)).map(({ seq }) => seq)).toEqual([1, 2, 3]);
  },
);

journey("a taken port is one sentence that names it", async () => {
  const other = createServer().listen(0, "127.0.0.1");
  await once(other, "listening");
  const { port } = other.address() as { port: number };
  await expectRefusedStart({ env: { PORT: String(port) } }, new RegExp(`Port ${port} is taken.*PORT`));
  other.close();
});

/** A data folder that was used and stopped in good order. */
async function usedFolder(rig: { start(): Promise<Server> }): Promise<string> {
  const server = await rig.start();
  const { id } = await newConversation(server.owner);
  await server.owner.messages.send({ conversation_id: id, content: "A note.", reply: false });
  expect(await server.kill("SIGTERM")).toBe(0);
  return server.dataDir;
}

journey(
  "damaged or newer data is refused in one sentence that says what to do, and stays as it is",
  async ({ rig }) => {
    const dataDir = await usedFolder(rig);
    for (const name of ["messages.db", "parley.db"]) {
      const path = join(dataDir, name);
      const db = new DatabaseSync(path);
      const { user_version: version } = db.prepare("PRAGMA user_version").get() as { user_version: number };
      db.exec("PRAGMA user_version = 999");
      db.close();
      await expectRefusedStart({ dataDir }, /written by a newer Parley.*install that version/);
      const again = new DatabaseSync(path);
      expect(again.prepare("PRAGMA user_version").get()).toEqual({ user_version: 999 });
      again.exec(`PRAGMA user_version = ${version}`);
      again.close();
    }
    const server = await rig.start({ dataDir });
    expect((await server.owner.conversations.list({})).items.length).toBe(1);
    expect(await server.kill("SIGTERM")).toBe(0);

    const path = join(dataDir, "messages.db");
    truncateSync(path, statSync(path).size / 2);
    await expectRefusedStart({ dataDir }, /messages\.db is damaged.*backup/);
    writeFileSync(path, "This is a shopping list, not a database. ".repeat(200));
    await expectRefusedStart({ dataDir }, /messages\.db is damaged.*backup/);
    expect(readdirSync(dataDir)).toContain("messages.db");
  },
);

journey("a data folder that cannot be made is one sentence", async () => {
  const file = join(newDataDir(), "file");
  writeFileSync(file, "");
  await expectRefusedStart({ env: { PARLEY_DATA_DIR: join(file, "data") } }, /data folder .*PARLEY_DATA_DIR/);
});

journey(
  "what ships knows no failpoints: the option is refused, and no setting or file can arm one",
  async ({ rig }) => {
    const { code, stderr } = await runParley(["start", "--failpoint", "k01:kill"], { entry: "main" });
    expect([code, stderr.split("\n").length]).toEqual([1, 2]);
    expect(stderr).toMatch(/no option --failpoint/);
    for (const name of ["PARLEY_FAILPOINT", "PARLEY_FAILPOINTS"]) {
      await expectRefusedStart({ env: { [name]: "k01:kill" } }, new RegExp(`${name} .*is not a setting`));
    }
    const dataDir = newDataDir();
    writeFileSync(join(dataDir, ".env"), "FAILPOINT=k01:kill\nFAILPOINTS=k01:kill\n");
    const upstream = await rig.upstream(answering("Here."));
    const env = { ...upstream.env, FAILPOINT: "k01:kill", FAILPOINTS: "k01:kill", NODE_ENV: "test" };
    const server = await rig.start({ dataDir, env, entry: "main" });
    const { id } = await newConversation(server.owner);
    const { turn } = await send(server, id);
    expect((await outcome(server.owner, turn.id)).status).toBe("completed");
  },
);

journey(
  "bytes that are no HTTP, half requests and huge heads end their own connection alone",
  async ({ rig }) => {
    const upstream = await rig.upstream(answering("Here."));
    const server = await rig.start({ env: upstream.env });
    const head = `POST /api/v2/conversations HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${OWNER_KEY}\r\n`;
    const noise = [
      "\0\0\0\0\r\n\r\n",
      "GET\r\n\r\n",
      `GET / HTTP/1.1\r\nhost: x\r\nx: ${"a".repeat(100_000)}\r\n\r\n`,
      `${head}content-type: application/json\r\ncontent-length: 100\r\n\r\n{"half`,
      `${head}transfer-encoding: chunked\r\n\r\nzz\r\n`,
      `${head}content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n`,
    ];
    for (const bytes of noise) {
      const socket = connect(Number(new URL(server.url).port), "127.0.0.1");
      socket.on("error", () => {});
      const closed = new Promise((resolve) => socket.once("close", resolve));
      socket.write(bytes, () => setImmediate(() => socket.destroySoon()));
      socket.resume();
      await within("the end of the socket", closed);
    }
    const { id } = await newConversation(server.owner);
    const { turn } = await send(server, id);
    expect((await outcome(server.owner, turn.id)).status).toBe("completed");
  },
);
