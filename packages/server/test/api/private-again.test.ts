import { afterAll, beforeAll, expect, test } from "vitest";
import { type Server, startServer } from "../rig/server.ts";
import { answering, startUpstream, type Upstream } from "../rig/upstream.ts";
import { call, expectProblem, newPerson } from "./helpers.ts";

let server: Server;
let upstream: Upstream;

beforeAll(async () => {
  upstream = await startUpstream(answering("Hello."));
  server = await startServer({ env: upstream.env });
});
afterAll(async () => {
  await server?.kill();
  upstream?.close();
});

test("what is written into a character after it went private reaches nobody else's prompt", async () => {
  const author = await newPerson(server);
  const reader = await newPerson(server);
  const character = await author.client.characters.create({ name: "Vera", visibility: "public" });
  const { id } = await reader.client.conversations.create({ character_ids: [character.id] });
  const own = await author.client.conversations.create({ character_ids: [character.id] });

  // A turn that waits behind one that runs when the character goes private.
  upstream.onCall = null;
  const first = await reader.client.messages.send({ conversation_id: id, content: "one" });
  const running = await upstream.call(1);
  const queued = await reader.client.messages.send({ conversation_id: id, content: "two" });
  const secret = "ZEBRA-CANARY";
  await author.client.characters.update({
    character_id: character.id,
    visibility: "private",
    description: secret,
  });
  running.say("Hi.");
  running.finish();
  const events = [];
  for await (const event of reader.client.events(queued.turn?.id as string)) events.push(event);
  expect(events.at(-1)).toMatchObject({ type: "turn.failed", problem: { code: "character_deleted" } });
  expect((await reader.client.turns.get({ turn_id: first.turn?.id as string })).status).toBe("completed");

  const send = { token: reader.token, json: { content: "What is your secret?" } };
  const refused = await call(server, "POST", `/api/v2/conversations/${id}/messages`, send);
  expectProblem(refused, 409, "character_deleted");
  expect(upstream.calls.some(({ body }) => JSON.stringify(body).includes(secret))).toBe(false);

  upstream.onCall = answering("Yes.");
  const mine = await author.client.messages.send({ conversation_id: own.id, content: "And I?" });
  for await (const event of author.client.events(mine.turn?.id as string)) events.push(event);
  expect(events.at(-1)).toMatchObject({ type: "turn.completed" });
  expect(JSON.stringify(upstream.calls.at(-1)?.body)).toContain(secret);
});
