import { mkdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import { journey, type Rig } from "../faults/journey.ts";
import {
  allMessages,
  messagesPath,
  newConversation,
  outcome,
  post,
  ready,
  refusal,
} from "../faults/scene.ts";
import { openStream } from "../faults/stream.ts";
import { until, within } from "../faults/until.ts";
import { openSocket } from "../realtime/socket.ts";
import { newDataDir, type Server } from "../rig/server.ts";
import { hasStrace, inject, requireStrace } from "../rig/strace.ts";
import { answering } from "../rig/upstream.ts";
import { cardFile } from "./scene.ts";

requireStrace("a disk that is full, read-only, broken or slow");
const traced = hasStrace ? journey : journey.skip;

/** Ten times what is promised of `/ready` (I18): a busy machine is no fault. The promise is held by the unit test. */
const READY_WITHIN_MS = 50_000;

const isRed = async (server: Server) => (await ready(server)).status === 503;
const isGreen = async (server: Server) => (await ready(server)).status === 200;

/** Begins an outage of the disk under a running server, and gives what ends it. */
type Outage = (server: Server, dataDir: string) => Promise<() => Promise<unknown>>;

const WRITES = "pwrite64,pwritev,ftruncate,fsync,fdatasync";
const failing =
  (fault: string): Outage =>
  async ({ pid }) => {
    const injection = await inject(pid, [fault]);
    return injection.end;
  };

const outages: Record<string, Outage> = {
  "a full disk": failing(`${WRITES}:error=ENOSPC`),
  "a disk that was made read-only": failing(`${WRITES}:error=EROFS`),
  "a disk that reports errors": failing(`${WRITES}:error=EIO`),
  "a disk that takes writes and fails to sync them": failing("fsync,fdatasync:error=EIO"),
};

/** What holds through every outage: refusals that say so, reading, one outcome a turn, and nothing acknowledged lost. */
async function goThrough(rig: Rig, begin: Outage): Promise<void> {
  const upstream = await rig.upstream();
  const root = newDataDir();
  const dataDir = join(root, "data");
  const env = { ...upstream.env, PARLEY_DATA_DIR: dataDir };
  const server = await rig.start({ dataDir: root, env });
  const { owner } = server;
  const { id } = await newConversation(owner);
  const send = (content: string, on = server) =>
    post(on, messagesPath(id), { content, client_message_id: content });
  const first = await send("Before.");
  const stream = openStream(server, first.body.turn.id);
  const socket = await openSocket(server);
  const call = await upstream.call(1);
  call.say("Said before, ");
  await stream.event("reply.delta");
  expect(await isGreen(server)).toBe(true);

  const end = await begin(server, dataDir);
  const refused = await send("During.");
  expect([refused.status, refused.body]).toMatchObject([503, { code: "storage_unavailable" }]);
  expect(Number(refused.headers.get("retry-after"))).toBeGreaterThan(0);
  await until("/ready to be red", () => isRed(server), READY_WITHIN_MS);
  expect((await fetch(`${server.url}/live`)).status).toBe(200);
  expect(
    await socket.ask({ type: "message.send", conversation_id: id, content: "x", client_message_id: "x" }),
  ).toMatchObject({
    type: "error",
    problem: { code: "storage_unavailable", retry_after_s: expect.any(Number) },
  });
  for (const change of [
    () => owner.characters.create({ name: "Nobody" }),
    () => owner.characters.import({ file: cardFile("Nobody") }),
    () => owner.conversations.update({ conversation_id: id, title: "Nothing" }),
    () => owner.turns.stop({ turn_id: first.body.turn.id }),
  ]) {
    expect(await refusal(change())).toMatchObject({ code: "storage_unavailable", status: 503 });
  }
  expect((await allMessages(owner, id)).map(({ seq }) => seq)).toEqual([1, 2]);
  call.say("said meanwhile.");
  await stream.event("reply.delta", 2);
  call.finish();
  expect(await isRed(server)).toBe(true);

  await end();
  await until("/ready to be green", () => isGreen(server), READY_WITHIN_MS);
  await within("the end of the stream", stream.closed);
  expect([stream.screen.text, stream.screen.violations]).toEqual(["Said before, said meanwhile.", []]);
  expect(stream.screen.end?.type).toBe("turn.completed");
  upstream.onCall = answering("After.");
  const again = await send("During.");
  expect([again.status, again.isReplayed]).toEqual([202, false]);
  await outcome(owner, again.body.turn.id);
  await owner.characters.import({ file: cardFile("Mira") });

  const texts = ["Before.", "Said before, said meanwhile.", "During.", "After."];
  const before = await allMessages(owner, id);
  expect(before.map(({ content }) => content)).toEqual(texts);
  await server.kill();
  expect(server.stderr()).not.toMatch(/a fault of ours|"at":/);
  const restarted = await rig.start({ dataDir: root, env });
  expect(await allMessages(restarted.owner, id)).toEqual(before);
  expect(upstream.calls.length).toBe(2);
}

for (const [name, begin] of Object.entries(outages)) {
  traced(
    `${name}: sends are refused, reading goes on, recovery needs no restart, nothing is lost`,
    ({ rig }) => goThrough(rig, begin),
  );
}

journey("a data folder that vanishes and comes back is an outage like any other", ({ rig }) =>
  goThrough(rig, async (_, dataDir) => {
    const elsewhere = `${dataDir}.elsewhere`;
    renameSync(dataDir, elsewhere);
    return async () => renameSync(elsewhere, dataDir);
  }),
);

for (const isAnotherThere of [false, true]) {
  const name = isAnotherThere ? "is replaced by an empty one" : "is removed";
  journey(
    `a data folder that ${name} is never written to in vain: sends are refused until the end`,
    async ({ rig }) => {
      const upstream = await rig.upstream(answering("Here."));
      const root = newDataDir();
      const dataDir = join(root, "data");
      const server = await rig.start({ dataDir: root, env: { ...upstream.env, PARLEY_DATA_DIR: dataDir } });
      const { id } = await newConversation(server.owner);
      const { body } = await post(server, messagesPath(id), { content: "Before." });
      await outcome(server.owner, body.turn.id);
      rmSync(dataDir, { recursive: true });
      if (isAnotherThere) mkdirSync(dataDir);
      for (let n = 0; n < 3; n++) {
        const refused = await post(server, messagesPath(id), { content: "During." });
        expect([refused.status, refused.body]).toMatchObject([503, { code: "storage_unavailable" }]);
        const creating = server.owner.characters.create({ name: "Nobody" });
        expect((await refusal(creating)).code).toBe("storage_unavailable");
      }
      await until("/ready to be red", () => isRed(server), READY_WITHIN_MS);
      expect((await fetch(`${server.url}/live`)).status).toBe(200);
      expect(await server.kill("SIGTERM")).toBe(0);
      expect(server.stderr()).toMatch(/a store refuses writes/);
      expect(server.stderr()).not.toMatch(/a fault of ours|"at":/);
    },
  );
}

const SYNC_MS = 400;

traced(
  "a slow disk makes acknowledgements late, and nothing else: no turn fails or is done twice",
  async ({ rig }) => {
    const upstream = await rig.upstream();
    const server = await rig.start({ env: upstream.env });
    const { id } = await newConversation(server.owner);
    const others = await Promise.all([1, 2, 3].map(() => newConversation(server.owner)));
    const first = await post(server, messagesPath(id), { content: "Before." });
    const stream = openStream(server, first.body.turn.id);
    const call = await upstream.call(1);
    upstream.onCall = answering("Late, ", "but here.");
    const slow = await inject(server.pid, [`fsync,fdatasync:delay_exit=${SYNC_MS * 1_000}`]);
    const sends = Promise.all(
      others.map((other, n) => post(server, messagesPath(other.id), { content: `Number ${n}` })),
    );
    let isSent = false;
    void sends.then(() => {
      isSent = true;
    });
    let pieces = 0;
    while (!isSent) {
      call.say(`${++pieces} `);
      await stream.event("reply.delta", 1);
      expect((await allMessages(server.owner, id)).length).toBe(2);
      expect((await fetch(`${server.url}/live`)).status).toBe(200);
      expect(await isGreen(server)).toBe(true);
    }
    call.finish();
    for (const { status, body } of [first, ...(await sends)]) {
      expect(status).toBe(202);
      expect((await outcome(server.owner, body.turn.id)).status).toBe("completed");
    }
    await within("the end of the stream", stream.closed);
    const said = Array.from({ length: pieces }, (_, n) => `${n + 1} `).join("");
    expect([stream.screen.text, stream.screen.violations]).toEqual([said, []]);
    await slow.end();
    expect(upstream.calls.length).toBe(4);
    expect(server.stderr()).not.toMatch(/"level":"(error|fatal)"/);
  },
);
