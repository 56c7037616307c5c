import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import { manyAddresses, newConversation, newPerson, type Person } from "../api/helpers.ts";
import { asked } from "../faults/journey.ts";
import { createScreen } from "../faults/screen.ts";
import { type Server, startServer } from "../rig/server.ts";
import { startUpstream, type Upstream } from "../rig/upstream.ts";
import { openSocket } from "./socket.ts";

let server: Server;
let upstream: Upstream;
let ann: Person;

beforeAll(async () => {
  upstream = await startUpstream();
  server = await startServer({ env: { ...upstream.env, ...manyAddresses, MAX_MESSAGES_PER_MINUTE: "0" } });
  ann = await newPerson(server);
});
afterAll(async () => {
  await server?.kill();
  upstream?.close();
});

test("a message goes out and its reply comes in over one socket, as over HTTP", async () => {
  const { id } = await newConversation(ann.client);
  const socket = await openSocket(server, { token: ann.token });
  const nth = upstream.calls.length + 1;
  expect(await socket.ask({ type: "conversation.subscribe", conversation_id: id })).toMatchObject({
    type: "ack",
  });
  const sent = { conversation_id: id, content: "Hello?", client_message_id: randomUUID() };
  const ack = await socket.ask({ type: "message.send", ...sent });
  expect(ack).toMatchObject({ type: "ack", message: { content: "Hello?" }, turn: { status: "queued" } });
  const call = await upstream.call(nth);
  expect(asked(call)).toBe("Hello?");
  call.say("Hel");
  call.say("lo.");
  call.finish();
  await socket.frame("turn.completed");

  const screen = createScreen();
  screen.connect(null);
  for (const event of socket.events()) screen.apply(event);
  expect({ text: screen.text, violations: screen.violations }).toEqual({ text: "Hello.", violations: [] });
  const types = socket.frames.map(({ type }) => type).filter((type) => !type.startsWith("reply."));
  expect(types.filter((type) => type !== "conversation.updated")).toEqual([
    "presence",
    "ack",
    "message.created",
    "ack",
    "turn.started",
    "turn.completed",
  ]);
  expect(await socket.frame("message.created")).toMatchObject({ message: ack.message });
  const again = await socket.ask({ type: "message.send", ...sent });
  expect(again).toMatchObject({ type: "ack", replayed: true, message: ack.message });
  socket.close();
});
