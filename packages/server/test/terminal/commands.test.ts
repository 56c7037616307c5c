import { describe, expect, test } from "vitest";
import { newConversation } from "../faults/scene.ts";
import { newDataDir, startServer } from "../rig/server.ts";
import { startUpstream } from "../rig/upstream.ts";
import { keys, openTerminal, terminalMissing } from "./pty.ts";

describe.skipIf(terminalMissing !== null)("in a pseudo-terminal", () => {
  test("Ctrl-C stops the reply to the one thing that was said, and the status tells", async () => {
    const upstream = await startUpstream();
    const server = await startServer({ env: upstream.env });
    const { id } = await newConversation(server.owner);
    const terminal = openTerminal(["chat", "-m", "Go on for ever"], { dataDir: server.dataDir });
    const call = await upstream.call(1);
    call.say("And so on");
    await terminal.sees("And so on");
    terminal.type(keys.ctrlC);
    await call.closed;
    expect(await terminal.exited).toBe(1);
    const { items } = await server.owner.messages.list({ conversation_id: id });
    expect(items.at(-1)).toMatchObject({ status: "incomplete", finish_reason: "stopped" });
    await server.kill("SIGTERM");
    upstream.close();
  });

  test("long work says what it is at, and takes that away again", async () => {
    const server = await startServer();
    await server.kill("SIGTERM");
    const terminal = openTerminal(["backup", newDataDir()], { dataDir: server.dataDir });
    await terminal.sees("Checking messages.db …");
    await terminal.sees("Backed up ");
    expect(await terminal.exited).toBe(0);
    const line = terminal.raw().split("Checking messages.db …")[1] ?? "";
    expect(line.startsWith("\r\u001b[K")).toBe(true);
    expect(line).toContain("hashes checked.");
  });
});
