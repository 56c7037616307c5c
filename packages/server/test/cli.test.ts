import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { networkInterfaces } from "node:os";
import { delimiter, join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, expect, test } from "vitest";
import { newDataDir, startServer } from "./rig/server.ts";

const main = fileURLToPath(new URL("../src/main.ts", import.meta.url));
const launcher = fileURLToPath(new URL("../bin/parley.js", import.meta.url));

/** The Node outside node_modules, which may be older than the server needs. */
const machinePath = (process.env.PATH ?? "")
  .split(delimiter)
  .filter((part) => !part.includes("node_modules"));
const machineNode =
  machinePath.map((part) => join(part, "node")).find((file) => existsSync(file)) ?? process.execPath;

const hasIpv6 = Object.values(networkInterfaces()).some((all) =>
  all?.some(({ address }) => address === "::1"),
);

let folder: string;
beforeEach(() => {
  folder = newDataDir();
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const environment = (env: Record<string, string> = {}) => ({
  PATH: process.env.PATH ?? "",
  PORT: "0",
  LMSTUDIO_BASE_URL: "http://127.0.0.1:9/v1",
  ...env,
});

/** Runs a command to its end, in a folder of its own. */
function run(args: string[], env: Record<string, string> = {}) {
  const options = { cwd: folder, env: environment(env), encoding: "utf8", timeout: 100_000 } as const;
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    ["-C", "parley-source", main, ...args],
    options,
  );
  return { status, stdout, stderr };
}

/** What a refusal looks like: one sentence a line, status 1, no stack. */
function expectRefusal(result: ReturnType<typeof run>, sentence: RegExp | string) {
  expect(result.stderr).toMatch(sentence);
  expect(result.stderr).not.toMatch(/^\s+at /m);
  for (const line of result.stderr.trimEnd().split("\n")) expect(line).toMatch(/^parley: .*[.?]$/);
  expect(result.status).toBe(1);
}

test("help and version say what there is", () => {
  expect(run(["--help"])).toMatchObject({ status: 0, stdout: expect.stringContaining("parley <command>") });
  expect(run([]).stdout).toBe(run(["--help"]).stdout);
  expect(run(["--version"]).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
});

test("a mistyped command or option is one sentence that suggests the nearest", () => {
  expectRefusal(run(["strat"]), /There is no command "strat"; did you mean `parley start`\?/);
  expectRefusal(run(["config", "chekc"]), /did you mean `parley config check`\?/);
  expectRefusal(run(["config"]), /`parley config` needs check, print or docs behind it\./);
  expectRefusal(run(["start", "--prot", "1"]), /There is no option --prot/);
});

test("a wrong setting is one sentence that suggests the nearest name, from .env too", () => {
  writeFileSync(join(folder, ".env"), "PORT=nope\n");
  const result = run(["config", "check"], { PARLEY_DATADIR: "x", PORT: "" });
  expectRefusal(
    result,
    /PARLEY_DATADIR \(in the environment\) is not a setting; did you mean PARLEY_DATA_DIR\?/,
  );
  expect(run(["config", "check"]).status).toBe(0);
  writeFileSync(join(folder, ".env"), "PARLEY_LOG_LEVL=info\n");
  expectRefusal(run(["start"]), /PARLEY_LOG_LEVL \(in \.env\) .* did you mean PARLEY_LOG_LEVEL\?/);
  writeFileSync(join(folder, ".env"), "# mine\nAPI_KEY hunter2-hunter2\n");
  for (const command of [["start"], ["config", "check"]]) {
    const refused = run(command);
    expectRefusal(refused, /Line 2 of \.env is not a setting; write NAME=value/);
    expect(refused.stderr).not.toContain("hunter2");
  }
  rmSync(join(folder, ".env"));
  expectRefusal(run(["start"], { ENVIRONMENT: "production" }), /PARLEY_SECRET must be set in production/);
});

test("config print shows every value and no secret", () => {
  const { status, stdout } = run(["config", "print"], { API_KEY: "hunter2-hunter2" });
  expect(status).toBe(0);
  expect(stdout).toMatch(/^PORT=0 +# environment$/m);
  expect(stdout).not.toContain("hunter2");
});

test("a port that is taken is one sentence", async () => {
  const taken = createServer().listen(0, "127.0.0.1");
  await once(taken, "listening");
  const address = taken.address();
  const port = typeof address === "object" && address ? address.port : 0;
  expectRefusal(run(["start"], { PORT: String(port) }), `Port ${port} is taken by another program`);
  taken.close();
});

test("a data folder that another server holds, or that is none, is one sentence", async () => {
  const server = await startServer({ dataDir: folder });
  expectRefusal(run(["start"], { PARLEY_DATA_DIR: folder }), /is in use by another Parley/);
  await server.kill("SIGTERM");
  writeFileSync(join(folder, "file"), "");
  expectRefusal(run(["start"], { PARLEY_DATA_DIR: join(folder, "file") }), /cannot be written/);
});

test("a file of the data folder that cannot be written is one sentence that names it", () => {
  for (const name of ["secrets.json", "control.json"]) {
    const draft = join(folder, `${name}.new`);
    mkdirSync(draft);
    const result = run(["start"], { PARLEY_DATA_DIR: folder });
    expectRefusal(result, `${join(folder, name)} cannot be written`);
    // What was begun was ended as at every stop: no log of a database is left.
    expect(existsSync(join(folder, "messages.db-wal"))).toBe(false);
    rmSync(draft, { recursive: true });
  }
  mkdirSync(join(folder, "control.json"));
  const result = run(["start"], { PARLEY_DATA_DIR: folder });
  expectRefusal(result, `${join(folder, "control.json")} cannot be written`);
});

test("a data folder that a newer Parley wrote is refused in one sentence, and left as it is", () => {
  const path = join(folder, "messages.db");
  const db = new DatabaseSync(path);
  db.exec("pragma journal_mode = wal; create table of_the_future (id); pragma user_version = 999");
  db.close();
  const before = readFileSync(path);
  expectRefusal(run(["start"], { PARLEY_DATA_DIR: folder }), /written by a newer Parley/);
  expect(readFileSync(path).equals(before)).toBe(true);
});

test("a start prints address, folder, provider and the way to a link; no code goes into a pipe", async () => {
  const server = await startServer({ dataDir: folder });
  await expect.poll(server.stdout).toContain("Ctrl-C");
  const port = new URL(server.url).port;
  expect(server.stdout()).toContain(`Address   http://localhost:${port}\n`);
  expect(server.stdout()).toContain(`Data      ${folder}\n`);
  expect(server.stdout()).toMatch(/Provider {2}\S/);
  expect(server.stdout()).toMatch(/Sign in {3}`parley sign-in-link` makes a link/);
  expect(server.stdout() + server.stderr()).not.toContain("code=");
  await server.kill("SIGTERM");
});

test("everything in the data folder is for this user alone", async () => {
  const dataDir = join(folder, "data");
  mkdirSync(dataDir);
  const server = await startServer({ dataDir });
  await expect.poll(() => existsSync(join(dataDir, "control.json"))).toBe(true);
  for (const name of ["parley.db", "messages.db", "secrets.json", "control.json"]) {
    expect([name, statSync(join(dataDir, name)).mode & 0o077]).toEqual([name, 0]);
  }
  await server.kill("SIGTERM");
  expect(existsSync(join(dataDir, "control.json"))).toBe(false);
});

test("sign-in-link reaches the running server, and works once", async () => {
  const server = await startServer({ dataDir: folder });
  await expect.poll(() => existsSync(join(folder, "control.json"))).toBe(true);
  const { status, stdout } = run(["sign-in-link"], { PARLEY_DATA_DIR: folder });
  expect(status).toBe(0);
  const code = stdout.trim().split("#code=")[1];
  const signIn = () =>
    fetch(`${server.url}/api/v2/sessions`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ code }),
    });
  expect((await signIn()).status).toBe(201);
  expect((await signIn()).status).toBe(401);
  await server.kill("SIGTERM");
});

test("a link leads to where the server listens, and commands reach it there", async () => {
  expect(run(["sign-in-link"], { PARLEY_DATA_DIR: folder, HOST: "192.0.2.7", PORT: "8666" }).stdout).toMatch(
    /^http:\/\/192\.0\.2\.7:8666\/app\/sign-in#code=/,
  );
  if (!hasIpv6) return;
  const server = await startServer({ dataDir: folder, env: { HOST: "::1" } });
  await expect.poll(() => existsSync(join(folder, "control.json"))).toBe(true);
  const { status, stdout } = run(["sign-in-link"], { PARLEY_DATA_DIR: folder });
  expect([status, stdout]).toEqual([0, expect.stringContaining(`${server.url}/app/sign-in#code=`)]);
  await server.kill("SIGTERM");
});

test("a new PARLEY_SECRET ends every session, and keys go on", async () => {
  const startWith = (letter: string) =>
    startServer({ dataDir: folder, env: { PARLEY_SECRET: letter.repeat(32) } });
  const first = await startWith("a");
  const { session } = await first
    .client()
    .users.create({ email: "ann@example.org", password: "long enough" });
  const key = await first.client(session.access_token).keys.create({ name: "k" });
  await first.kill("SIGTERM");
  const second = await startWith("b");
  const refused = { code: "unauthenticated" };
  await expect(second.client(session.access_token).conversations.list()).rejects.toMatchObject(refused);
  const refresh = { refresh_token: session.refresh_token as string };
  await expect(second.client().sessions.refresh(refresh)).rejects.toMatchObject(refused);
  expect((await second.client(key.secret).conversations.list()).items).toEqual([]);
  await second.kill("SIGTERM");
});

test("sign-in-link says so where the server that has the folder does not answer", async () => {
  const server = await startServer({ dataDir: folder });
  const control = join(folder, "control.json");
  await expect.poll(() => existsSync(control)).toBe(true);
  const written = JSON.parse(readFileSync(control, "utf8")) as object;
  writeFileSync(control, JSON.stringify({ ...written, url: "http://127.0.0.1:9/" }));
  expectRefusal(
    run(["sign-in-link"], { PARLEY_DATA_DIR: folder }),
    `The server that has the data folder ${folder} does not answer at http://127.0.0.1:9/`,
  );
  await server.kill("SIGTERM");
});

test("a start says what is wrong with its provider, and a failure of it is one line of the log", async () => {
  const env = { OPENAI_BASE_URL: "http://127.0.0.1:9/v1", DEFAULT_MODEL: "m", PARLEY_LOG_FORMAT: "text" };
  const server = await startServer({ dataDir: folder, env });
  await expect.poll(server.stdout).toContain("Ctrl-C");
  expect(server.stdout()).toContain(
    "Provider  The provider at http://127.0.0.1:9/v1 (OPENAI_BASE_URL is set)\n            It does not answer (connection refused).",
  );
  const [character] = (await server.owner.characters.list()).items;
  const conversation = await server.owner.conversations.create({ character_ids: [character?.id as string] });
  const { turn } = await server.owner.messages.send({ conversation_id: conversation.id, content: "Hello." });
  for await (const event of server.owner.events(turn?.id as string)) if (event.type === "turn.failed") break;
  const lines = server.stderr().split("\n");
  expect(lines.filter((line) => line.includes("a provider failed"))).not.toEqual([]);
  expect(lines.find((line) => line.includes("a provider failed"))).toMatch(
    /provider=openai code=provider_unavailable reason=ECONNREFUSED model=m$/,
  );
  expect(lines.filter((line) => /^\s+at /.test(line))).toEqual([]);
  await server.kill("SIGTERM");
});

test("a stranger on this machine gets no sign-in link", async () => {
  const server = await startServer({ dataDir: folder });
  for (const secret of [undefined, "wrong"]) {
    const headers = secret === undefined ? {} : { "x-parley-control": secret };
    const response = await fetch(`${server.url}/internal/sign-in-link`, { method: "POST", headers });
    expect(response.status).toBe(404);
  }
  await server.kill("SIGTERM");
});

test("sign-in-link makes no data folder where there is none, and says where it looked", () => {
  const nowhere = join(folder, "nowhere");
  const { status, stderr } = run(["sign-in-link"], { PARLEY_DATA_DIR: nowhere });
  expect([status, stderr]).toEqual([1, expect.stringContaining(`no data folder ${nowhere}`)]);
  expect(existsSync(nowhere)).toBe(false);
});

test("a data folder that others could read is closed to them, and one on a file system of its own kind fails", () => {
  const open = join(folder, "open");
  mkdirSync(open, { mode: 0o755 });
  expect(run(["sign-in-link"], { PARLEY_DATA_DIR: open }).status).toBe(0);
  expect(statSync(open).mode & 0o777).toBe(0o700);
  const { status, stderr } = run(["start"], { PARLEY_DATA_DIR: "/proc/nope/data" });
  expect([status, stderr]).toEqual([1, expect.stringContaining("/proc/nope/data cannot be written")]);
});

test("config check refuses a provider that start would refuse, and a mistyped name in .env", () => {
  expect(run(["config", "check"], { DEFAULT_LLM_PROVIDER: "opnai" }).stderr).toContain(
    "did you mean openai?",
  );
  expectRefusal(run(["config", "check"], { DEFAULT_LLM_PROVIDER: "openai" }), /OPENAI_API_KEY is missing/);
  const elsewhere = { DEFAULT_LLM_PROVIDER: "openai", OPENAI_BASE_URL: "http://127.0.0.1:9/v1" };
  expect(run(["config", "check"], elsewhere).status).toBe(0);
});

test("sign-in-link opens the folder itself where no server runs, even after a kill", async () => {
  const killed = await startServer({ dataDir: folder });
  await expect.poll(() => existsSync(join(folder, "control.json"))).toBe(true);
  await killed.kill("SIGKILL");
  const { status, stdout } = run(["sign-in-link"], { PARLEY_DATA_DIR: folder });
  expect([status, stdout]).toEqual([
    0,
    expect.stringMatching(/^http:\/\/localhost:\d+\/app\/sign-in#code=\S+\n$/),
  ]);
  const server = await startServer({ dataDir: folder });
  const response = await fetch(`${server.url}/api/v2/sessions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ code: stdout.trim().split("#code=")[1] }),
  });
  expect(response.status).toBe(201);
  await server.kill("SIGTERM");
});

test("SIGTERM and SIGINT end the server with status 0, an echo of the signal included", async () => {
  const first = await startServer();
  // Both meet it at once, however long this process is held up between them.
  for (const signal of ["SIGSTOP", "SIGINT", "SIGTERM", "SIGCONT"]) process.kill(first.pid, signal);
  expect(await first.exited).toBe(0);
  const second = await startServer();
  expect(await second.kill("SIGTERM")).toBe(0);
});

test("no signal opens a debugger, neither in the server nor in its launcher", async () => {
  const server = await startServer({ entry: "main" });
  process.kill(server.pid, "SIGUSR1");
  expect((await fetch(`${server.url}/live`)).status).toBe(200);
  expect(await server.kill("SIGTERM")).toBe(0);
  expect(server.stderr()).not.toMatch(/debugger/i);

  const launched = launch();
  let said = "";
  launched.stderr?.on("data", (chunk: Buffer) => {
    said += chunk;
  });
  const port = await portOf(launched);
  launched.kill("SIGUSR1");
  expect((await fetch(`http://127.0.0.1:${port}/live`)).status).toBe(200);
  launched.kill("SIGTERM");
  expect(await once(launched, "close")).toEqual([0, null]);
  expect(said).not.toMatch(/debugger/i);
});

test("a fault of ours is logged and ends the server with status 1, after a proper stop", async () => {
  const server = await startServer({ dataDir: folder });
  await expect.poll(() => existsSync(join(folder, "control.json"))).toBe(true);
  expect(await server.kill("SIGUSR2")).toBe(1);
  expect(server.stderr()).toContain("a fault on purpose");
  expect(existsSync(join(folder, "control.json"))).toBe(false);
});

test("the launcher passes signals and status on, and its server does not outlive it", async () => {
  const child = launch();
  const port = await portOf(child);
  child.kill("SIGTERM");
  const [status] = await once(child, "exit");
  expect(status).toBe(0);
  await expectGone(port);

  const orphaned = launch();
  const orphanPort = await portOf(orphaned);
  orphaned.kill("SIGKILL");
  await expectGone(orphanPort);
  // Whoever starts anew finds the folder free.
  const next = await startServer({ dataDir: folder });
  expect(await next.kill("SIGTERM")).toBe(0);
});

/** Starts through the launcher, under the machine's own Node where that is another one. */
function launch(): ChildProcess {
  return spawn(machineNode, [launcher, "start"], {
    cwd: folder,
    env: environment({ PARLEY_DATA_DIR: folder }),
    stdio: ["ignore", "pipe", "pipe"],
  });
}

async function portOf(child: ChildProcess): Promise<number> {
  let stdout = "";
  child.stdout?.on("data", (chunk: Buffer) => {
    stdout += chunk;
  });
  await expect.poll(() => stdout).toContain("Ctrl-C");
  return Number(/localhost:(\d+)/.exec(stdout)?.[1]);
}

const expectGone = (port: number) =>
  expect
    .poll(() =>
      fetch(`http://127.0.0.1:${port}/live`).then(
        () => "there",
        () => "gone",
      ),
    )
    .toBe("gone");

test("the generated files are what the settings and the contract say", () => {
  const root = fileURLToPath(new URL("../../../", import.meta.url));
  expect(run(["config", "docs"]).stdout).toBe(readFileSync(join(root, "docs/reference/config.md"), "utf8"));
});
