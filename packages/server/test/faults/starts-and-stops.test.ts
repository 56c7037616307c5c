import { randomUUID } from "node:crypto";
import { createServer } from "node:net";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { expect, test } from "vitest";
import { call } from "../api/helpers.ts";
import { newDataDir, runParley, startServer } from "../rig/server.ts";
import { answering, startUpstream } from "../rig/upstream.ts";

test("a start that finds its port taken says so, and spends no attempt of a turn that waits", async () => {
  const upstream = await startUpstream();
  const dataDir = newDataDir();
  const first = await startServer({ dataDir, env: upstream.env });
  const character = await first.owner.characters.create({ name: "Ada" });
  const conversation = await first.owner.conversations.create({ character_ids: [character.id] });
  const { turn } = await first.owner.messages.send({ conversation_id: conversation.id, content: "Hello" });
  await upstream.call(1);
  await first.kill("SIGKILL");

  const taken = createServer();
  await new Promise<void>((resolve) => taken.listen(0, "127.0.0.1", resolve));
  const { port } = taken.address() as { port: number };
  for (let i = 0; i < 4; i++) {
    const { code, stderr } = await runParley(["start"], {
      dataDir,
      env: { ...upstream.env, PORT: String(port) },
    });
    expect([code, stderr]).toEqual([1, expect.stringContaining(`Port ${port} is taken`)]);
  }
  taken.close();

  upstream.onCall = answering("Hello again.");
  const last = await startServer({ dataDir, env: upstream.env });
  const events = [];
  for await (const event of last.owner.events(turn?.id as string)) events.push(event);
  expect(events.at(-1)).toMatchObject({ type: "turn.completed" });
  await last.kill("SIGTERM");
  upstream.close();
});

test("an account whose erasure cannot be finished holds up no start, and no other housekeeping", async () => {
  const first = await startServer();
  const credentials = { email: "ann@example.org", password: "a password of eight" };
  const { body } = await call<{ session: { access_token: string } }>(first, "POST", "/api/v2/users", {
    json: credentials,
    headers: { "idempotency-key": "once" },
  });
  await first.client(body.session.access_token).users.remove();
  await first.kill("SIGTERM");
  const path = join(first.dataDir, "parley.db");
  const before = new DatabaseSync(path);
  before.exec(`
    UPDATE users SET deleted_at = 1, erased_at = NULL WHERE status = 'deleted';
    UPDATE idempotency SET created_at = 1;
    CREATE TRIGGER never_erased BEFORE UPDATE OF erased_at ON users BEGIN SELECT RAISE(ABORT, 'not now'); END`);
  const outdated = "SELECT count(*) AS n FROM idempotency WHERE created_at = 1";
  expect(before.prepare(outdated).get()).toEqual({ n: 1 });
  before.close();

  const last = await startServer({ dataDir: first.dataDir });
  expect((await last.owner.users.me()).role).toBe("owner");
  expect(last.stderr()).toContain("housekeeping failed");
  await last.kill("SIGTERM");
  const after = new DatabaseSync(path, { readOnly: true });
  expect(after.prepare(outdated).get()).toEqual({ n: 0 });
  after.close();
});

test("calls that are under way at a stop are answered before it", async () => {
  const server = await startServer({ env: { DEFAULT_LLM_PROVIDER: "demo" } });
  const register = () =>
    call(server, "POST", "/api/v2/users", {
      json: { email: `${randomUUID()}@example.org`, password: "a password of eight" },
    });
  const calls = Array.from({ length: 8 }, register);
  // Hashing eight passwords takes a while: with the first answer the rest are under way.
  await Promise.race(calls);
  const exited = server.kill("SIGTERM");
  const statuses = (await Promise.all(calls)).map(({ status }) => status);
  expect(await exited).toBe(0);
  // None is cut; one that came too late is told so.
  expect(statuses.every((status) => status === 201 || status === 503)).toBe(true);
  expect(statuses).toContain(201);
});
