import { expect, test } from "vitest";
import { aMomentLater } from "../api/helpers.ts";
import { newConversation } from "../faults/scene.ts";
import { newDataDir, runParley, startServer } from "../rig/server.ts";
import { answering, startUpstream } from "../rig/upstream.ts";

async function scene(onCall: Parameters<typeof startUpstream>[0]) {
  const upstream = await startUpstream(onCall);
  const server = await startServer({ env: upstream.env });
  await newConversation(server.owner);
  return {
    server,
    upstream,
    chat: (args: string[], input?: string) =>
      runParley(["chat", ...args], { dataDir: server.dataDir, ...(input !== undefined && { input }) }),
    async end() {
      await server.kill("SIGTERM");
      upstream.close();
    },
  };
}

test("a line on standard input is answered on standard output, with nothing else there", async () => {
  const { chat, end } = await scene(answering("Well ", "said.\u001b[2J"));
  const { code, stdout, stderr } = await chat([], "hi\n\nand again\n/quit\nnever said\n");
  expect([code, stdout]).toEqual([0, "Well said.\u241b[2J\nWell said.\u241b[2J\n"]);
  expect(stderr).toBe("Talking with Echo, an AI.\n");
  await end();
});

test("without a server one is started for the chat, which says so and leaves nothing running", async () => {
  const dataDir = newDataDir();
  const first = await runParley(["chat", "otto"], { dataDir, input: "hello" });
  expect(first.code).toBe(0);
  expect(first.stdout).not.toBe("");
  expect(first.stderr).toMatch(/^No server was running, so one was started .* it ends with it\.$/m);
  const second = await runParley(["chat", "-m", "/quit is no command here"], { dataDir });
  expect(second.code).toBe(0);
  expect(second.stderr).toContain("No server was running");
});

test("--json gives the conversation and the events of each turn, one object a line", async () => {
  const { chat, end } = await scene(answering("Yes."));
  const { code, stdout } = await chat(["echo", "--json", "-m", "Is it?"]);
  const lines = stdout
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));
  expect(code).toBe(0);
  expect(lines[0]).toMatchObject({ type: "conversation.opened", character: { name: "Echo" } });
  expect(lines.map(({ type }) => type).slice(1)).toEqual([
    "turn.started",
    "reply.start",
    "reply.delta",
    "reply.end",
    "turn.completed",
  ]);
  await end();
});

test("`-m -` says all of standard input as one message", async () => {
  const { chat, upstream, end } = await scene(answering("Read."));
  const { code } = await chat(["-m", "-"], "line one\n/line two\n");
  expect(code).toBe(0);
  expect(upstream.calls[0]?.body.messages.at(-1)?.content).toBe("line one\n/line two");
  await end();
});

test("a reply that fails is one sentence on standard error and status 1", async () => {
  const { chat, end } = await scene((call) => {
    call.response.writeHead(401, { "content-type": "application/json" });
    call.response.end("{}");
  });
  const { code, stdout, stderr } = await chat(["-m", "hi"]);
  expect([code, stdout]).toEqual([1, ""]);
  expect(stderr).toMatch(/^parley: .*\.$/m);
  await end();
});

test("a name that nobody has, that several have, or an option that is none, is one sentence and status 1", async () => {
  const { chat, server, end } = await scene(answering("."));
  for (const name of ["Echo the Second", "Ecological"])
    await aMomentLater(await server.owner.characters.create({ name }));
  for (const [args, sentence] of [
    [["Ehco"], 'No character is called "Ehco"; did you mean "Echo'],
    [["ec"], '"ec" can be Ecological, Echo the Second, Echo; say more of the name.'],
    [["echo", "the"], '"the" is too much'],
    [["--replace"], "`parley chat` has no option --replace"],
    [["-m"], "-m needs a value"],
  ] as const) {
    const { code, stderr } = await chat([...args]);
    expect(code).toBe(1);
    expect(stderr).toContain(`parley: ${sentence}`);
  }
  // The very name wins over those that only begin so.
  expect((await chat(["echo", "-m", "hi"])).code).toBe(0);
  await end();
});
