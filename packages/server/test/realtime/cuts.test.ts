import { createClient, createRealtime } from "@parley-chat/sdk";
import { afterAll, beforeAll, expect, vi } from "vitest";
import { asked, journey } from "../faults/journey.ts";
import { between, newSeed, randomPieces, randomText, seeded } from "../faults/random.ts";
import { allMessages, newConversation, outcome } from "../faults/scene.ts";
import { createScreen } from "../faults/screen.ts";
import { until, within } from "../faults/until.ts";
import { lastingPort, OWNER_KEY, type Server } from "../rig/server.ts";
import { answering } from "../rig/upstream.ts";
import { listen } from "./listen.ts";
import { startProxy } from "./proxy.ts";
import { openSocket } from "./socket.ts";

// Waits between tries are random; here they are short.
const { random: anyNumber } = Math;
beforeAll(() => void vi.spyOn(Math, "random").mockImplementation(() => anyNumber() / 1_000));
afterAll(() => void vi.restoreAllMocks());

/** A run in which the line broke less often would prove little. */
const CUTS_MIN = 3;

const realtimeTo = (baseUrl: string) =>
  createRealtime({ client: createClient({ baseUrl, token: OWNER_KEY }), baseUrl });

journey(
  "sockets cut at any byte and resumed at the cursor show the stored text, each unit once (I6, I7)",
  async ({ rig }) => {
    const random = seeded(newSeed("cut sockets, by hand"));
    const upstream = await rig.upstream();
    const server = await rig.start({ env: upstream.env });
    const proxy = await startProxy(
      () => server.url,
      () => between(random, 200, random() < 0.8 ? 6_000 : 24_000),
    );
    const { id } = await newConversation(server.owner);
    let text = "";
    const sent = await server.owner.messages.send({ conversation_id: id, content: "Go on." });
    const call = await upstream.call(1);
    const screen = createScreen();
    const saying = (async () => {
      // However the line is cut, the reply goes on until it was cut often enough.
      while (text.length < 400 || proxy.cuts < CUTS_MIN) {
        const { cuts } = proxy;
        for (const piece of randomPieces(random, `${randomText(random, 40)}.`, 9)) {
          text += piece;
          call.say(piece);
          await new Promise((resolve) => setImmediate(resolve));
        }
        // A turn that ended before anything was shown of it is in the list alone.
        await until(
          "a text shown, or a cut",
          () => (screen.cursor && screen.text === text) || proxy.cuts > cuts,
        );
      }
      call.finish();
    })();

    const { promise: ended, resolve: tellEnded } = Promise.withResolvers<void>();
    for (let tries = 0; !screen.end; tries++) {
      expect(tries).toBeLessThan(1_000);
      const socket = await openSocket(server, { via: proxy.url }).catch(() => null);
      if (!socket) continue;
      const after = screen.cursor;
      screen.connect(after);
      let seen = 0;
      const apply = () => {
        const events = socket.events();
        for (; seen < events.length; seen++) screen.apply(events[seen] as (typeof events)[number]);
        if (screen.end) tellEnded();
      };
      socket.ws.on("message", apply);
      socket.ws.on("error", () => {});
      socket.send({ type: "conversation.subscribe", conversation_id: id, ...(after !== null && { after }) });
      await within("a cut or the end", Promise.race([socket.closed, ended]));
      apply();
      socket.ws.terminate();
    }
    await saying;
    const stored = await server.owner.messages.get({ message_id: sent.reply?.id as string });
    expect(stored.content).toBe(text);
    expect({ text: screen.text, resets: screen.resets, violations: screen.violations }).toEqual({
      text,
      resets: 0,
      violations: [],
    });
    proxy.close();
  },
);

journey(
  "over a line that is cut at any byte the SDK shows every reply whole and sends every message once",
  async ({ rig }) => {
    const random = seeded(newSeed("cut sockets, by the SDK"));
    const upstream = await rig.upstream();
    const server = await rig.start({ env: { ...upstream.env, MAX_MESSAGES_PER_MINUTE: "0" } });
    const texts = new Map<string, string>();
    upstream.onCall = (call) => {
      const text = `${randomText(random, 120)}.`;
      texts.set(asked(call), text);
      answering(...randomPieces(random, text, 9))(call);
    };
    // So few bytes that a reply takes several connections, and enough for a ticket and a subscription.
    const proxy = await startProxy(
      () => server.url,
      () => between(random, 1_500, 20_000),
    );
    const { id } = await newConversation(server.owner);
    const realtime = realtimeTo(proxy.url);
    const shown = listen(realtime, id);
    const contents: string[] = [];
    const sendSome = (count: number) =>
      within(
        "all answers",
        Promise.all(
          Array.from({ length: count }, () => {
            const content = `Message ${contents.length}`;
            contents.push(content);
            return realtime.send({ conversation_id: id, content });
          }),
        ),
      );
    const sent = await sendSome(12);
    for (let more = 0; proxy.cuts < CUTS_MIN; more++) {
      expect(more).toBeLessThan(100);
      sent.push(...(await sendSome(1)));
    }
    const turns = sent.map(({ turn }) => turn?.id as string);
    for (const turnId of turns) await outcome(server.owner, turnId);
    const stored = await allMessages(server.owner, id);
    expect(stored.filter(({ role }) => role === "user").map(({ content }) => content)).toEqual(contents);
    // A turn that began and ended between two connections is in the list alone; the rest were shown whole.
    await until("the last of what was begun", () =>
      turns.every((turnId) => shown.screen(turnId).text === "" || shown.screen(turnId).end),
    );
    for (const [n, turnId] of turns.entries()) {
      const screen = shown.screen(turnId);
      if (screen.end) expect(screen.text).toBe(texts.get(contents[n] as string));
    }
    expect(shown.violations()).toEqual([]);
    realtime.close();
    proxy.close();
  },
);

/** Where the process is killed on the way of a message that came over a socket. */
const places = ["k01", "k04@1", "k08", "k09", "k10@2", "k11", "k15@1", "k15@4", "k16@2", "k16@5"];

for (const place of places) {
  journey(
    `killed at ${place} and started again: one message, one whole reply, on a socket that came back`,
    async ({ rig }) => {
      const upstream = await rig.upstream(answering("The ", "whole ", "story."));
      const [name, count = "1"] = place.split("@");
      const env = { ...upstream.env, PORT: `${await lastingPort()}` };
      let server: Server = await rig.start({ env, failpoints: [`${name}:kill@${count}`] });
      const { id } = await newConversation(server.owner);
      const realtime = realtimeTo(server.url);
      const shown = listen(realtime, id);
      await until("a live subscription", () => shown.count("resumed") === 1);
      const sending = realtime.send({ conversation_id: id, content: "Tell me.", client_message_id: "one" });
      expect(await within("the kill", server.exited)).toBe("SIGKILL");
      server = await rig.start({ dataDir: server.dataDir, env });
      const { message, turn } = await within("the answer", sending);
      expect((await outcome(server.owner, turn?.id as string)).status).toBe("completed");
      const stored = await allMessages(server.owner, id);
      expect(stored.map(({ content }) => content)).toEqual(["Tell me.", "The whole story."]);
      expect(stored[0]?.id).toBe(message.id);
      const screen = () => shown.screen(turn?.id as string);
      await until(
        "the end on the screen, or a turn that came and went unseen",
        () => screen().end !== null || (screen().text === "" && shown.count("resumed") > 1),
      );
      if (screen().end) expect(screen().text).toBe("The whole story.");
      expect(shown.violations()).toEqual([]);
      realtime.close();
    },
  );
}
