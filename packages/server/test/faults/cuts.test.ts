import type { TurnEvent } from "@parley-chat/sdk";
import { expect } from "vitest";
import { OWNER_KEY, type Server } from "../rig/server.ts";
import { answering, type UpstreamCall } from "../rig/upstream.ts";
import { journey } from "./journey.ts";
import { between, newSeed, randomPieces, randomText, seeded } from "./random.ts";
import { messagesPath, newConversation, outcome, post } from "./scene.ts";
import { createScreen } from "./screen.ts";
import { follow, openStream } from "./stream.ts";
import { until, within } from "./until.ts";

const send = async (server: Server, conversationId: string, content = "Go on.") =>
  (await post(server, messagesPath(conversationId), { content })).body;

/** A run in which the line broke less often would prove little. */
const CUTS_MIN = 3;

/** Reads a turn to its end over sockets that are each cut at a random byte, by turns from two clients. */
function readInPieces(server: Server, turnId: string, tokens: string[], random: () => number) {
  const screen = createScreen();
  const reading = { screen, cuts: 0, ended: readAll() };
  return reading;

  async function readAll(): Promise<void> {
    for (let tries = 0; !screen.end; tries++) {
      expect(tries).toBeLessThan(1_000);
      await readOnce(tokens[tries % tokens.length] as string);
    }
  }

  async function readOnce(token: string): Promise<void> {
    const cursor = screen.cursor;
    const after = cursor === null ? {} : random() < 0.5 ? { after: cursor } : { lastEventId: cursor };
    const stream = openStream(server, turnId, {
      ...after,
      screen,
      token,
      cutAfterBytes: between(random, 0, random() < 0.8 ? 4_000 : 16_000),
    });
    if ((await within("a cut or the end", stream.closed)) === "broken") reading.cuts++;
  }
}

journey(
  "sockets cut at any byte and resumed by another client show the stored text, each unit once (I6, I7)",
  async ({ rig }) => {
    const random = seeded(newSeed("cut sockets"));
    const upstream = await rig.upstream();
    const server = await rig.start({ env: upstream.env });
    const { secret } = await server.owner.keys.create({ name: "another device" });
    const { id } = await newConversation(server.owner);
    for (let round = 1; round <= 4; round++) {
      let text = "";
      const { turn, reply } = await send(server, id, `Round ${round}`);
      const call = await upstream.call(round);
      const reading = readInPieces(server, turn.id, [OWNER_KEY, secret], random);
      const witness = openStream(server, turn.id);
      // However the line is cut, the reply goes on until it was cut often enough.
      while (text.length < 300 || reading.cuts < CUTS_MIN) {
        for (const piece of randomPieces(random, `${randomText(random, 40)}.`, 9)) {
          const { length } = witness.screen.text;
          text += piece;
          call.say(piece);
          // Half a surrogate pair waits for its other half.
          if (piece.isWellFormed() && random() < 0.5) {
            await until("the piece", () => witness.screen.text.length > length);
          }
        }
      }
      call.finish();
      await reading.ended;
      const { screen } = reading;
      await within("the end of the witness", witness.closed);
      const stored = await server.owner.messages.get({ message_id: reply.id });
      expect(stored.content).toBe(text);
      expect(screen.text).toBe(text);
      expect(witness.screen.text).toBe(text);
      expect([...screen.violations, ...witness.screen.violations]).toEqual([]);
      expect(screen.resets).toBe(0);
    }
  },
);

journey(
  "from every cursor of a turn the rest follows exactly, while it runs, after its end and after a restart",
  async ({ rig }) => {
    const random = seeded(newSeed("every cursor"));
    const text = `${randomText(random, 60)}.`;
    const upstream = await rig.upstream();
    let server = await rig.start({ env: upstream.env });
    const { id } = await newConversation(server.owner);
    const { turn } = await send(server, id);
    const call = await upstream.call(1);
    const live = openStream(server, turn.id);
    for (const piece of randomPieces(random, text, 5)) {
      const before = live.screen.text.length;
      call.say(piece);
      // Half a surrogate pair waits for its other half.
      if (piece.isWellFormed()) await until("the piece", () => live.screen.text.length > before);
    }
    const running = everyCursor(live);
    await expectTheRest(server, turn.id, running.slice(0, 5), () => call.finish());
    expect((await outcome(server.owner, turn.id)).status).toBe("completed");
    await within("the end of the live stream", live.closed);
    expect(live.screen.violations).toEqual([]);
    expect(live.screen.text).toBe(text);
    const cursors = everyCursor(live);
    expect(cursors.length).toBeGreaterThan(10);
    await expectTheRest(server, turn.id, cursors);

    await server.kill("SIGTERM");
    server = await rig.start({ dataDir: server.dataDir, env: upstream.env });
    await expectTheRest(server, turn.id, cursors);

    async function expectTheRest(from: Server, turnId: string, places: Place[], meanwhile?: () => void) {
      const streams = places.map(({ cursor, shown, epoch }) =>
        openStream(from, turnId, { after: cursor, screen: createScreen({ text: shown, epoch }) }),
      );
      await Promise.all(streams.map(({ answered }) => answered));
      meanwhile?.();
      for (const { closed, screen } of streams) {
        expect(await within("the end of a stream", closed)).toBe("ended");
        expect(screen.violations).toEqual([]);
        expect([screen.resets, screen.text]).toEqual([0, text]);
      }
    }
  },
);

interface Place {
  cursor: string;
  shown: string;
  epoch: number;
}

function everyCursor(stream: { events: readonly TurnEvent[] }): Place[] {
  let shown = "";
  const places: Place[] = [];
  for (const event of stream.events) {
    if (event.type === "reply.delta") shown += event.text;
    if ("cursor" in event) places.push({ cursor: event.cursor, shown, epoch: event.epoch });
  }
  return places;
}

journey(
  "a cursor of another turn or beyond the text gets a reset and everything, a malformed one is 422",
  async ({ rig }) => {
    const upstream = await rig.upstream();
    const server = await rig.start({ env: upstream.env });
    const { id } = await newConversation(server.owner);
    const texts = ["A long story about a fox.", "Short."];
    const cursors: string[] = [];
    const turns: string[] = [];
    for (const [n, text] of texts.entries()) {
      const { turn } = await send(server, id);
      answering(text)(await upstream.call(n + 1));
      const { events } = await follow(server, turn.id);
      cursors.push((events.find(({ type }) => type === "reply.end") as { cursor: string }).cursor);
      turns.push(turn.id);
    }
    const [longCursor, shortCursor] = cursors as [string, string];
    const [longTurn, shortTurn] = turns as [string, string];
    // Cursors are opaque; theirs are made of each other's parts.
    const parts = /^(.*\.)([0-9a-z]+)$/;
    const beyond = `${parts.exec(shortCursor)?.[1]}${parts.exec(longCursor)?.[2]}`;
    for (const [turnId, after, text] of [
      [longTurn, shortCursor, texts[0]],
      [shortTurn, longCursor, texts[1]],
      [shortTurn, beyond, texts[1]],
    ] as const) {
      const stream = await follow(server, turnId, { after });
      expect(stream.events.map(({ type }) => type).slice(0, 3)).toEqual([
        "turn.started",
        "reply.reset",
        "reply.start",
      ]);
      expect(stream.events[1]).toMatchObject({ reason: "unknown_cursor" });
      expect(stream.screen.text).toBe(text);
      expect(stream.screen.violations).toEqual([]);
    }
    for (const after of ["1", "t.1.2", `${longCursor}!`, `x${longCursor}`, "💥", "a".repeat(512), " "]) {
      const answer = await openStream(server, longTurn, { after }).answered;
      expect([after, answer.status]).toEqual([after, 422]);
    }
    for (const lastEventId of ["1", `${longCursor}!`]) {
      const answer = await openStream(server, longTurn, { lastEventId }).answered;
      expect([lastEventId, answer.status]).toEqual([lastEventId, 422]);
    }
  },
);

journey(
  "the reply goes on to its end when every reader leaves, and a reader that stays alone sees all of it",
  async ({ rig }) => {
    const upstream = await rig.upstream();
    const server = await rig.start({ env: upstream.env });
    const { id } = await newConversation(server.owner);
    const { turn, reply } = await send(server, id);
    const call = await upstream.call(1);
    const readers = [1, 2, 3].map(() => openStream(server, turn.id));
    call.say("One, ");
    for (const reader of readers) await reader.event("reply.delta");
    for (const reader of readers) reader.cut();
    await Promise.all(readers.map(({ closed }) => within("the cut", closed)));
    call.say("two, ");
    call.say("three.");
    call.finish();
    expect((await outcome(server.owner, turn.id)).status).toBe("completed");
    const stored = await server.owner.messages.get({ message_id: reply.id });
    expect([stored.status, stored.content]).toEqual(["complete", "One, two, three."]);
    const after = readers[0]?.screen.cursor as string;
    const late = await follow(server, turn.id, { after, screen: createScreen({ text: "One, ", epoch: 1 }) });
    expect([late.screen.text, late.screen.violations]).toEqual(["One, two, three.", []]);
    expect(upstream.calls.length).toBe(1);
  },
);

journey("readers who come at any moment of a short turn all see it to its end", async ({ rig }) => {
  const upstream = await rig.upstream((call) => answering("Short ", "and ", "sweet.")(call));
  const server = await rig.start({ env: { ...upstream.env, MAX_MESSAGES_PER_MINUTE: "0" } });
  const { id } = await newConversation(server.owner);
  for (let round = 0; round < 25; round++) {
    const body = { content: "Go on.", client_message_id: `${round}` };
    const first = openStream(server, "", { post: { path: messagesPath(id), body } });
    const { turn } = await first.event("turn.started");
    const readers = [first];
    while (!first.screen.end || readers.length < 6) {
      readers.push(openStream(server, turn.id));
      await new Promise((resolve) => setImmediate(resolve));
    }
    for (const { closed, screen } of readers) {
      expect(await within("the end of a reader", closed)).toBe("ended");
      expect([screen.text, screen.end?.type, screen.violations]).toEqual([
        "Short and sweet.",
        "turn.completed",
        [],
      ]);
    }
  }
});

journey("readers that never read hinder neither the turn nor a fast reader", async ({ rig }) => {
  const upstream = await rig.upstream();
  const server = await rig.start({ env: upstream.env });
  const { id } = await newConversation(server.owner);
  const { turn } = await send(server, id);
  const deaf = Array.from({ length: DEAF_READERS }, () => openStream(server, turn.id, { isDeaf: true }));
  const fast = openStream(server, turn.id);
  await Promise.all([...deaf, fast].map(({ answered }) => answered));
  sayMuch(await upstream.call(1));
  await within("the end of the fast reader", fast.closed);
  expect(fast.screen.end?.type).toBe("turn.completed");
  expect(fast.screen.text.length).toBe(MUCH_UNITS);
  expect(fast.screen.violations).toEqual([]);
  expect((await outcome(server.owner, turn.id)).status).toBe("completed");
  for (const reader of deaf) reader.cut();
});

const DEAF_READERS = 200;
const MUCH_UNITS = 400_000;

function sayMuch(call: UpstreamCall): void {
  const piece = "0123456789".repeat(100);
  for (let said = 0; said < MUCH_UNITS; said += piece.length) call.say(piece);
  call.finish();
}
