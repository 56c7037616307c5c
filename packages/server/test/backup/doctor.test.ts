import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { expect, test } from "vitest";
import { newConversation } from "../faults/scene.ts";
import { newDataDir, runParley, startServer } from "../rig/server.ts";
import { answering, startUpstream } from "../rig/upstream.ts";
import { changeManifest, doctorOf, takeBackup } from "./rig.ts";

async function stoppedFolder(): Promise<string> {
  const server = await startServer();
  const { id } = await newConversation(server.owner);
  await server.owner.messages.send({ conversation_id: id, content: "a note", reply: false });
  await server.kill("SIGTERM");
  return server.dataDir;
}

test("beside a running server with a model all is well, one line each", async () => {
  const upstream = await startUpstream(answering("."));
  const server = await startServer({ env: upstream.env });
  const into = newDataDir();
  await takeBackup(server.dataDir, into);
  const { code, findings, of } = await doctorOf(server.dataDir, upstream.env, [into]);
  expect(findings.filter(({ status }) => status !== "ok")).toEqual([]);
  expect(code).toBe(0);
  expect(of("server")?.detail).toContain(`process ${server.pid}`);
  expect(of("provider")?.detail).toContain("1 model");
  expect(of("backup")?.detail).toContain("of today");
  const shown = await runParley(["doctor", into], { dataDir: server.dataDir, env: upstream.env });
  for (const line of shown.stdout.trimEnd().split("\n")) expect(line).toMatch(/^ok {4}\S/);
  await server.kill("SIGTERM");
  upstream.close();
});

test("a provider that is down, a port that is taken and a wrong setting fail, each with what to do", async () => {
  const dataDir = await stoppedFolder();
  const other = createServer((_request, response) => response.end("hello")).listen(0, "127.0.0.1");
  await new Promise((resolve) => other.once("listening", resolve));
  const { port } = other.address() as AddressInfo;
  const { code, of } = await doctorOf(dataDir, {
    PORT: String(port),
    DEFAULT_LLM_PROVIDER: "openai",
    OPENAI_API_KEY: "sk-doctor-canary",
    OPENAI_BASE_URL: "http://127.0.0.1:9/v1",
  });
  other.close();
  expect(code).toBe(1);
  expect(of("port")).toMatchObject({ status: "fail", advice: expect.stringContaining("PORT") });
  expect(of("port")?.detail).toContain(`${port} is taken by `);
  expect(of("provider")?.status).toBe("fail");
  expect(JSON.stringify(of("provider"))).not.toContain("canary");

  const wrong = await doctorOf(dataDir, { PARLEY_PROT: "1" });
  expect(wrong.code).toBe(1);
  expect(wrong.of("settings")?.detail).toContain("PARLEY_PROT");
});

test("a broken promise, a damaged page and a newer schema are found, and nothing is changed", async () => {
  const dataDir = await stoppedFolder();
  const path = join(dataDir, "messages.db");
  const whole = readFileSync(path);
  const edit = (sql: string) => {
    writeFileSync(path, whole);
    const db = new DatabaseSync(path);
    db.exec(sql);
    db.close();
  };
  for (const [sql, complaint] of [
    ["UPDATE messages SET seq = 7", "places without the one before them"],
    ["UPDATE messages SET places = 2", "messages whose reply has no place"],
    ["UPDATE messages SET parent_seq = 4", "messages below no parent"],
    ["DELETE FROM conversations", "messages of no conversation"],
    [
      "UPDATE messages SET turn_id = 't', turn_status = 'completed', status = 'pending'",
      "turns that have ended",
    ],
  ] as const) {
    edit(sql);
    const { code, of } = await doctorOf(dataDir);
    expect([code, of("messages.db")?.status]).toEqual([1, "fail"]);
    expect(of("messages.db")?.detail).toContain(complaint);
  }
  edit("PRAGMA user_version = 99");
  expect((await doctorOf(dataDir)).of("messages.db")?.detail).toContain("schema 99, this Parley knows");
  const torn = Buffer.from(whole);
  torn.fill(0xff, 4_096, 12_288);
  writeFileSync(path, torn);
  const found = (await doctorOf(dataDir)).of("messages.db");
  expect(found).toMatchObject({ status: "fail", advice: expect.stringContaining("parley restore") });
  expect(found?.detail).toMatch(/damaged: [^*\n]*page/i);
  expect(readFileSync(path).equals(torn)).toBe(true);
});

test("an empty database beside a full one fails, and a start refuses it and names restore", async () => {
  for (const name of ["messages.db", "parley.db"]) {
    const dataDir = await stoppedFolder();
    writeFileSync(join(dataDir, name), "");
    const { code, of } = await doctorOf(dataDir);
    expect([code, of(name)?.status]).toEqual([1, "fail"]);
    expect(of(name)?.advice).toContain("parley restore");
    const { code: status, stderr } = await runParley(["start"], { dataDir, env: { PORT: "0" } });
    expect([status, stderr]).toEqual([
      1,
      expect.stringMatching(/^parley: [^\n]*has lost all it held[^\n]*`parley restore [^\n]*\.\n$/),
    ]);
    expect(readFileSync(join(dataDir, name))).toHaveLength(0);
  }
});

test("files of a first start that was killed between the two databases are no loss", async () => {
  let dataDir: string;
  let path: string;
  let steps = 0;
  do {
    dataDir = newDataDir();
    path = join(dataDir, "messages.db");
    const args = ["start", "--failpoint", `k20:kill@${++steps}`];
    expect((await runParley(args, { dataDir, env: { PORT: "0" } })).code).toBe("SIGKILL");
  } while (!existsSync(path));
  for (const beside of ["-wal", "-shm"]) rmSync(path + beside, { force: true });
  writeFileSync(path, "");
  expect((await doctorOf(dataDir)).of("messages.db")?.status).toBe("ok");
  await (await startServer({ dataDir })).kill("SIGTERM");
});

test("secrets that a start cannot read fail, and lost ones are a warning", async () => {
  const dataDir = await stoppedFolder();
  const path = join(dataDir, "secrets.json");
  writeFileSync(path, "{}");
  expect((await doctorOf(dataDir)).of("secrets")?.detail).toContain("is damaged");
  rmSync(path);
  expect((await doctorOf(dataDir)).of("secrets")?.status).toBe("warn");
  mkdirSync(path);
  const { code, of } = await doctorOf(dataDir);
  expect([code, of("secrets")?.status]).toEqual([1, "fail"]);
});

test("a picture with other bytes, and a file in the place of all pictures, fail", async () => {
  const dataDir = await stoppedFolder();
  const db = new DatabaseSync(join(dataDir, "parley.db"));
  const hash = "ab".repeat(32);
  db.prepare("UPDATE characters SET avatar = ?").run(hash);
  db.close();
  mkdirSync(join(dataDir, "blobs", "ab"), { recursive: true });
  writeFileSync(join(dataDir, "blobs", "ab", hash), "other bytes");
  expect((await doctorOf(dataDir)).of("parley.db")).toMatchObject({
    status: "fail",
    detail: expect.stringContaining("1 pictures that are not what their name says"),
  });
  rmSync(join(dataDir, "blobs"), { recursive: true });
  writeFileSync(join(dataDir, "blobs"), "");
  expect((await doctorOf(dataDir)).of("pictures")?.status).toBe("fail");
  const { code, stderr } = await runParley(["start"], { dataDir, env: { PORT: "0" } });
  expect([code, stderr]).toEqual([
    1,
    expect.stringMatching(/^parley: The pictures cannot be kept [^\n]*\n$/),
  ]);
});

test("a folder open to others, a folder that is none and an old backup are warnings", async () => {
  const dataDir = await stoppedFolder();
  const into = newDataDir();
  const { path } = await takeBackup(dataDir, into);
  changeManifest(path, (manifest) => Object.assign(manifest, { created_at: "2026-11-02T00:00:00.000Z" }));
  chmodSync(dataDir, 0o755);
  const { code, of } = await doctorOf(dataDir, {}, [into]);
  expect(code).toBe(0);
  expect(of("data folder")).toMatchObject({ status: "warn", advice: `chmod 700 ${dataDir}` });
  expect(of("backup")).toMatchObject({ status: "warn", detail: expect.stringContaining("days old") });
  rmSync(join(dataDir, "messages.db"));
  expect((await doctorOf(dataDir)).of("messages.db")?.status).toBe("fail");
  const nowhere = await doctorOf(dataDir, { PARLEY_DATA_DIR: join(dataDir, "nowhere") });
  expect(nowhere.of("data folder")).toMatchObject({
    status: "warn",
    detail: expect.stringContaining("is not there"),
  });
});
