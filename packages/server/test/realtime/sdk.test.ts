import { type ConversationEvent, createRealtime, type Realtime, type RealtimeState } from "@parley-chat/sdk";
import { expect } from "vitest";
import { journey } from "../faults/journey.ts";
import { allMessages, newConversation } from "../faults/scene.ts";
import { createScreen } from "../faults/screen.ts";
import { until } from "../faults/until.ts";
import type { Server } from "../rig/server.ts";

/** The SDK's socket with what it has told, and a screen that holds its events to the promises. */
function listen(realtime: Realtime, conversationId: string) {
  const events: ConversationEvent[] = [];
  const screen = createScreen();
  screen.connect(null);
  realtime.subscribe(conversationId, (event) => {
    events.push(event);
    if (event.type !== "resumed" && !event.type.startsWith("message.")) screen.apply(event as never);
  });
  return {
    events,
    screen,
    count: (type: ConversationEvent["type"]) => events.filter((event) => event.type === type).length,
  };
}

const connect = (server: Server, baseUrl = server.url) => createRealtime({ client: server.owner, baseUrl });

journey(
  "a server killed in mid-reply: the SDK's socket comes back and shows one whole reply",
  async ({ rig }) => {
    const upstream = await rig.upstream();
    const first = await rig.start({ env: upstream.env });
    const { id } = await newConversation(first.owner);
    const port = new URL(first.url).port;
    const realtime = connect(first);
    const states: RealtimeState[] = [];
    realtime.onState((state) => states.push(state));
    const shown = listen(realtime, id);
    await until("a live subscription", () => shown.count("resumed") === 1);
    await realtime.send({ conversation_id: id, content: "Tell me." });
    const lost = await upstream.call(1);
    lost.say("The first half, ");
    await until("text", () => shown.screen.text !== "");
    await first.kill("SIGKILL");
    const second = await rig.start({ dataDir: first.dataDir, env: { ...upstream.env, PORT: port } });
    const call = await upstream.call(2);
    call.say("The whole ");
    call.say("story.");
    call.finish();
    await until("the end of the reply", () => shown.screen.end);
    expect(shown.screen.end?.type).toBe("turn.completed");
    expect({ text: shown.screen.text, violations: shown.screen.violations }).toEqual({
      text: "The whole story.",
      violations: [],
    });
    expect(shown.screen.resets).toBe(1);
    expect(shown.count("resumed")).toBe(2);
    expect(states.at(0)).toBe("open");
    expect(states.at(-1)).toBe("open");
    const stored = await allMessages(second.owner, id);
    expect(stored.map(({ content }) => content)).toEqual(["Tell me.", "The whole story."]);
    realtime.close();
  },
);

journey("a message sent while the server is away is sent once it is back, once", async ({ rig }) => {
  const first = await rig.start();
  const { id } = await newConversation(first.owner);
  const port = new URL(first.url).port;
  const realtime = connect(first);
  await until("an open socket", () => realtime.state === "open");
  await first.kill("SIGKILL");
  await until("the break to be seen", () => realtime.state !== "open");
  const sending = [1, 2, 3].map((n) => realtime.send({ conversation_id: id, content: `${n}`, reply: false }));
  expect(realtime.unsent.map(({ content }) => content)).toEqual(["1", "2", "3"]);
  const second = await rig.start({ dataDir: first.dataDir, env: { PORT: port } });
  const sent = await Promise.all(sending);
  expect(sent.map(({ message }) => message.seq)).toEqual([1, 2, 3]);
  expect(realtime.unsent).toEqual([]);
  expect((await allMessages(second.owner, id)).map(({ content }) => content)).toEqual(["1", "2", "3"]);
  realtime.close();
});
