import { test as base, describe, expect } from "vitest";
import { newConversation } from "../faults/scene.ts";
import { until } from "../faults/until.ts";
import { newDataDir, runParley, startServer } from "../rig/server.ts";
import { answering, startUpstream } from "../rig/upstream.ts";
import { keys, openTerminal, terminalMissing } from "./pty.ts";

if (terminalMissing !== null) console.warn(`NOT EXERCISED: ${terminalMissing}`);

base("a machine that checks every change can try the terminal", () => {
  expect(process.env.CI ? terminalMissing : null).toBe(null);
});

/** A server with a model that the test plays, and a character without a greeting. */
async function scene(onCall: Parameters<typeof startUpstream>[0] = null) {
  const upstream = await startUpstream(onCall);
  const server = await startServer({ env: upstream.env });
  const conversation = await newConversation(server.owner);
  return { upstream, server, conversation, dataDir: server.dataDir };
}

describe.skipIf(terminalMissing !== null)("in a pseudo-terminal", () => {
  base("a reply streams piece by piece, and the conversation is taken up again the next time", async () => {
    const { upstream, server, dataDir } = await scene();
    const first = openTerminal(["chat"], { dataDir });
    await first.sees("Echo · a new conversation · this is an AI");
    await first.sees("You: ");
    first.type(`Hello${keys.enter}`);
    const call = await upstream.call(1);
    await first.sees("Echo: ");
    call.say("One ");
    await first.sees("One ");
    call.say("two.");
    await first.sees("two.");
    call.finish();
    await first.sees("You: ");
    first.type(keys.ctrlD);
    expect(await first.exited).toBe(0);

    const second = openTerminal(["chat", "ech"], { dataDir });
    await second.sees("Echo · taken up again");
    await second.sees("You: Hello");
    await second.sees("Echo: One two.");
    await second.sees("You: ");
    second.type(keys.up);
    await second.sees("Hello");
    second.type(`${keys.ctrlC}/quit${keys.enter}`);
    expect(await second.exited).toBe(0);
    await server.kill("SIGTERM");
    upstream.close();
  });

  base("Ctrl-C stops the reply that runs, on the server too; a second one leaves", async () => {
    const { upstream, server, conversation, dataDir } = await scene();
    const terminal = openTerminal(["chat"], { dataDir });
    await terminal.sees("You: ");
    terminal.type(`Go on for ever${keys.enter}`);
    const call = await upstream.call(1);
    call.say("And so on");
    await terminal.sees("And so on");
    terminal.type(keys.ctrlC);
    await terminal.sees("(stopped)");
    await terminal.sees("You: ");
    await call.closed;
    const { items } = await server.owner.messages.list({ conversation_id: conversation.id });
    expect(items.at(-1)).toMatchObject({
      content: "And so on",
      status: "incomplete",
      finish_reason: "stopped",
    });

    terminal.type(keys.ctrlC);
    await terminal.sees("Ctrl-C again, or Ctrl-D, leaves.");
    await terminal.sees("You: ");
    terminal.type(keys.ctrlC);
    expect(await terminal.exited).toBe(0);
    await server.kill("SIGTERM");
    upstream.close();
  });

  base("what is typed while a reply streams is not lost, and does not land in it", async () => {
    const { upstream, server, dataDir } = await scene();
    const terminal = openTerminal(["chat"], { dataDir });
    await terminal.sees("You: ");
    terminal.type(`First${keys.enter}`);
    const first = await upstream.call(1);
    first.say("aaa");
    await terminal.sees("aaa");
    terminal.type(`Second${keys.enter}and a half`);
    first.say("bbb");
    await terminal.sees("bbb");
    expect(terminal.text()).toContain("aaabbb");
    first.finish();
    const second = await upstream.call(2);
    expect(second.body.messages.at(-1)?.content).toBe("Second");
    second.say("ccc");
    second.finish();
    await terminal.sees("ccc");
    await terminal.sees("You: and a half");
    terminal.type(keys.enter);
    const third = await upstream.call(3);
    expect(third.body.messages.at(-1)?.content).toBe("and a half");
    third.say("ddd");
    third.finish();
    await terminal.sees("ddd");
    terminal.type(keys.ctrlD);
    expect(await terminal.exited).toBe(0);
    await server.kill("SIGTERM");
    upstream.close();
  });

  base("nothing that a model says can steer the terminal", async () => {
    const hostile = "\u001b]0;owned\u0007\u001b[2Jred\u001b[31m\u009b31m\u202egnp.exe\b\b";
    const { upstream, server, dataDir } = await scene(answering(...hostile, "."));
    const terminal = openTerminal(["chat"], { dataDir, env: { NO_COLOR: "1" } });
    await terminal.sees("You: ");
    const before = terminal.raw().length;
    terminal.type(`Hi${keys.enter}`);
    await terminal.sees("\u241b]0;owned\u2407\u241b[2Jred\u241b[31m");
    await terminal.sees("You: ");
    const shown = terminal.raw().slice(before);
    for (const bad of ["\u001b]", "\u001b[2J", "\u001b[31m", "\u0007", "\u009b", "\u202e", "\b"]) {
      expect(shown).not.toContain(bad);
    }
    terminal.type(keys.ctrlD);
    await terminal.exited;
    await server.kill("SIGTERM");
    upstream.close();
  });

  base("a server killed in mid-reply and started again is taken up, whatever its port", async () => {
    const { upstream, server, dataDir } = await scene();
    const terminal = openTerminal(["chat"], { dataDir });
    await terminal.sees("You: ");
    terminal.type(`Hello${keys.enter}`);
    (await upstream.call(1)).say("Lost with the server");
    await terminal.sees("Lost with the server");
    await server.kill();
    const again = await startServer({ dataDir, env: upstream.env });
    const call = await upstream.call(2);
    call.say("Whole.");
    call.finish();
    await terminal.sees("(broken off; it begins again)");
    await terminal.sees("Echo: Whole.");
    await terminal.sees("You: ");
    terminal.type(keys.ctrlD);
    expect(await terminal.exited).toBe(0);
    await again.kill("SIGTERM");
    upstream.close();
  });

  base(
    "a character is picked from a list, by number or name, and a typo is answered by the nearest",
    async () => {
      const dataDir = newDataDir();
      const terminal = openTerminal(["chat", "--new"], { dataDir });
      await terminal.sees("No server was running, so one was started for this chat");
      await terminal.sees("Who do you want to talk with?");
      terminal.type(`tamsn${keys.enter}`);
      await terminal.sees('did you mean "Tamsin Reed"?');
      await terminal.sees("Who do you want to talk with?");
      terminal.type(`tam${keys.enter}`);
      await terminal.sees("Tamsin Reed · a new conversation");
      await terminal.sees("You: ");
      terminal.type(`/character ottol${keys.enter}`);
      await terminal.sees("Ottoline Marsh · a new conversation");
      await terminal.sees("You: ");
      terminal.type(`/quiet${keys.enter}`);
      await terminal.sees("There is no /quiet; did you mean /quit?");
      terminal.type(keys.ctrlD);
      expect(await terminal.exited).toBe(0);
    },
  );

  base("colour comes on a terminal alone, and not where NO_COLOR is set", async () => {
    const { upstream, server, dataDir } = await scene(answering("Fine."));
    for (const [env, isColored] of [
      [{}, true],
      [{ NO_COLOR: "1" }, false],
    ] as const) {
      const terminal = openTerminal(["chat"], { dataDir, env });
      await terminal.sees("You: ");
      expect(terminal.raw().includes("\u001b[1mEcho")).toBe(isColored);
      terminal.type(keys.ctrlD);
      await terminal.exited;
    }
    const piped = await runParley(["chat", "-m", "How are you?"], { dataDir, env: { NO_COLOR: "" } });
    expect(piped).toMatchObject({ code: 0, stdout: "Fine.\n" });
    await server.kill("SIGTERM");
    upstream.close();
  });

  base("regenerating makes a sibling, and one can go back to the reply before", async () => {
    const { upstream, server, conversation, dataDir } = await scene();
    const terminal = openTerminal(["chat"], { dataDir });
    await terminal.sees("You: ");
    for (const [n, typed] of ["Hello", "/regenerate"].entries()) {
      terminal.type(`${typed}${keys.enter}`);
      answering(`Take ${n + 1}.`)(await upstream.call(n + 1));
      await terminal.sees(`Echo: Take ${n + 1}.`);
      await terminal.sees("You: ");
    }
    terminal.type(`/previous${keys.enter}`);
    await terminal.sees("Echo: Take 1.");
    await terminal.sees("(1 of 2)");
    terminal.type(`/edit Good evening${keys.enter}`);
    answering("Evening.")(await upstream.call(3));
    await terminal.sees("Evening.");
    const all = await server.owner.messages.list({ conversation_id: conversation.id, branch: "all" });
    expect(all.items.map(({ content }) => content)).toEqual([
      "Hello",
      "Take 1.",
      "Take 2.",
      "Good evening",
      "Evening.",
    ]);
    await until("the mark of what was read", async () => {
      const { last_read_seq } = await server.owner.conversations.get({ conversation_id: conversation.id });
      return last_read_seq === 5;
    });
    terminal.type(`/quit${keys.enter}`);
    expect(await terminal.exited).toBe(0);
    await server.kill("SIGTERM");
    upstream.close();
  });
});
