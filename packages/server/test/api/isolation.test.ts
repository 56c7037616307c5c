import { randomUUID } from "node:crypto";
import { type Route, type Scope, turnEvents } from "@parley-chat/sdk/contract";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { cardPng, chunk, header, pngOf, rows } from "../cards/make-png.ts";
import { OWNER_KEY, type Server, startServer } from "../rig/server.ts";
import { answering, startUpstream, type Upstream } from "../rig/upstream.ts";
import {
  type Answer,
  call,
  everyRoute,
  expectProblem,
  manyAddresses,
  newPerson,
  note,
  type Person,
  say,
} from "./helpers.ts";

/** Everything that Ann writes holds this, and so does what she is told. */
const CANARY = `canary-${randomUUID()}`;
const routes = [...everyRoute(), { name: "turns.events", route: turnEvents as Route }];

let server: Server;
let upstream: Upstream;
let ann: Person;
let ben: Person;
/** Ids of what is Ann's, and of what is Ben's, by the names that paths have for them. */
let hers: Record<string, string>;
let his: Record<string, string>;
/** Cursors out of Ann's lists and streams. */
let cursors: { stream: string; conversations: string; characters: string; keys: string; messages: string };

async function belongings(person: Person, text: string): Promise<Record<string, string>> {
  const { client } = person;
  const data = { name: text, description: text, first_mes: text, tags: [text] };
  const { character } = await client.characters.import({ file: cardPng({ spec: "chara_card_v2", data }) });
  const character_id = character.id;
  const { id: conversation_id } = await client.conversations.create({
    character_ids: [character_id],
    title: text,
    metadata: { text },
    tags: [text],
  });
  const { message, reply, turn, end } = await say(client, conversation_id, text, { client_message_id: text });
  expect(end.type).toBe("turn.completed");
  const key = await client.keys.create({ name: text });
  return {
    character_id,
    conversation_id,
    message_id: message.id,
    reply_id: reply.id,
    turn_id: turn.id,
    key_id: key.id,
  };
}

beforeAll(async () => {
  upstream = await startUpstream(answering(CANARY));
  server = await startServer({ env: { ...upstream.env, ...manyAddresses, MAX_MESSAGES_PER_MINUTE: "0" } });
  [ann, ben] = await Promise.all([newPerson(server, CANARY), newPerson(server)]);
  hers = await belongings(ann, CANARY);
  await belongings(ann, `${CANARY} again`);
  upstream.onCall = answering("Nothing of hers.");
  his = await belongings(ben, "of Ben");
  const list = async (path: string) =>
    (await call<Record<string, string>>(server, "GET", `/api/v2${path}?limit=1`, { token: ann.token })).body;
  const events = [];
  for await (const event of ann.client.events(hers.turn_id as string)) events.push(event);
  const delta = events.find((event) => event.type === "reply.delta");
  const next = async (path: string) => (await list(path)).next_cursor as string;
  cursors = {
    stream: delta?.type === "reply.delta" ? delta.cursor : "",
    conversations: await next("/conversations"),
    characters: await next("/characters"),
    keys: await next("/keys"),
    messages: (await list(`/conversations/${hers.conversation_id}/messages`)).before_cursor as string,
  };
});
afterAll(async () => {
  await server?.kill();
  upstream?.close();
});

/** A body that would do something on each route that takes one, for whoever may call it. */
const bodies: Record<string, (ids: Record<string, string>) => object> = {
  "users.create": () => ({ email: "x", password: "x" }),
  "users.update": () => ({ locale: "en" }),
  "sessions.create": () => ({ code: "x" }),
  "sessions.refresh": () => ({ refresh_token: "x" }),
  "keys.create": () => ({ name: "x", scopes: ["account"] }),
  "characters.create": () => ({ name: "x" }),
  "characters.import": () => ({ spec: "chara_card_v2", data: { name: "x" } }),
  "characters.update": () => ({ description: "taken over" }),
  "conversations.create": (ids) => ({ character_ids: [ids.character_id] }),
  "conversations.update": (ids) => ({ head_id: ids.reply_id, title: "taken over" }),
  "messages.send": (ids) => ({ content: "taken over", parent_id: ids.reply_id }),
  "messages.regenerate": () => ({}),
  "turns.stop": () => ({}),
  "realtime.createTicket": () => ({}),
};

const pathOf = (route: Route, ids: Record<string, string>) =>
  route.path.replace(/\{(\w+)\}/, (_, name: string) => ids[name] as string);

const picture = pngOf(header(8, 8), rows(8, 8), chunk("IEND"));

const tryRoute = ({ name, route }: (typeof routes)[number], token: string | undefined, ids = hers) =>
  call(server, route.method, pathOf(route, ids), {
    token,
    ...(bodies[name] && { json: bodies[name](ids) }),
    ...(name === "characters.setAvatar" && { raw: picture, headers: { "content-type": "image/png" } }),
  });

const holdsNothing = (answer: Answer<unknown>) => {
  expect(answer.text).not.toContain(CANARY);
  expect(JSON.stringify(answer.headers)).not.toContain(CANARY);
};

/** Erasing oneself and signing out are tried last, by who can be spared. */
const isLast = (name: string) => name === "users.remove" || name === "sessions.end";
const namesHers = (name: string, route: Route) => route.path.includes("{") || name === "conversations.create";

test("the matrix knows every route that takes a body", () => {
  const withBody = everyRoute().filter(({ route }) => route.body ?? route.fileTypes);
  expect([...Object.keys(bodies), "characters.setAvatar"].sort()).toEqual(
    withBody.map(({ name }) => name).sort(),
  );
});

describe.each(routes)("$name", ({ name, route }) => {
  test("without a credential is 401, or open to all and silent about her", async () => {
    const answer = await tryRoute({ name, route }, undefined);
    holdsNothing(answer);
    if (route.access === "public") expect([401, 422]).toContain(answer.status);
    else expectProblem(answer, 401, "unauthenticated");
  });

  test("with a revoked key of hers is 401", async () => {
    if (route.access === "public") return;
    const key = await ann.client.keys.create({ name: "revoked" });
    await ann.client.keys.remove({ key_id: key.id });
    const answer = await tryRoute({ name, route }, key.secret);
    holdsNothing(answer);
    expectProblem(answer, 401, "unauthenticated");
  });

  test("with a key of hers that lacks the scope is 403", async () => {
    if (route.access === "public" || route.access === "signed_in") return;
    const scopes = (["chat", "characters", "account"] as Scope[]).filter((scope) => scope !== route.access);
    const key = await ann.client.keys.create({ name: "lacking", scopes });
    const answer = await tryRoute({ name, route }, key.secret);
    holdsNothing(answer);
    expectProblem(answer, 403, "forbidden");
  });

  test("another user, by session or key, and the owner of the server get no byte of hers", async () => {
    if (isLast(name)) return;
    const key = await ben.client.keys.create({ name: "of Ben" });
    for (const token of [ben.token, key.secret, OWNER_KEY]) {
      const answer = await tryRoute({ name, route }, token);
      holdsNothing(answer);
      if (namesHers(name, route)) expect([404, 422]).toContain(answer.status);
    }
    await ben.client.keys.remove({ key_id: key.id });
  });
});

describe("her ids in what another sends about his own", () => {
  const asBen = (method: string, path: string, json?: object, headers = {}) =>
    call(server, method, `/api/v2${path}`, { token: ben.token, headers, ...(json && { json }) });

  /** The answer for her id must be the one for an id that there is not. */
  async function sameAsUnknown(ask: (id: string) => Promise<Answer<unknown>>, id: string) {
    const [real, unknown] = [await ask(id), await ask(randomUUID())];
    holdsNothing(real);
    expect([404, 422]).toContain(real.status);
    const plain = (answer: Answer<unknown>) => ({ ...JSON.parse(answer.text), request_id: "" });
    expect({ status: real.status, ...plain(real) }).toEqual({ status: unknown.status, ...plain(unknown) });
  }

  test("parent_id, head_id, character_ids, before and after answer as unknown ids do", async () => {
    const own = `/conversations/${his.conversation_id}`;
    for (const id of [hers.message_id, hers.reply_id, hers.turn_id, hers.conversation_id] as string[]) {
      await sameAsUnknown((parent_id) => asBen("POST", `${own}/messages`, { content: "x", parent_id }), id);
      await sameAsUnknown((head_id) => asBen("PATCH", own, { head_id }), id);
      await sameAsUnknown((bound) => asBen("GET", `${own}/messages?before=${bound}`), id);
      await sameAsUnknown((bound) => asBen("GET", `${own}/messages?after=${bound}`), id);
    }
    const make = (id: string) => asBen("POST", "/conversations", { character_ids: [id] });
    await sameAsUnknown(make, hers.character_id as string);
  });

  test("cursors out of her lists page through his own, if anything", async () => {
    for (const [path, cursor] of [
      ["/conversations?limit=200", cursors.conversations],
      ["/characters?limit=200", cursors.characters],
      ["/keys?limit=200", cursors.keys],
    ] as const) {
      holdsNothing(await asBen("GET", `${path}&cursor=${cursor}`));
    }
    for (const bound of ["before", "after"]) {
      for (const branch of ["head", "all"]) {
        const path = `/conversations/${his.conversation_id}/messages?${bound}=${cursors.messages}&branch=${branch}`;
        holdsNothing(await asBen("GET", path));
      }
    }
  });

  test("a cursor of her stream opens his own turn from its start, or nothing", async () => {
    const own = `/turns/${his.turn_id}/events`;
    const streams = [
      await asBen("GET", `${own}?after=${cursors.stream}`),
      await asBen("GET", own, undefined, { "last-event-id": cursors.stream }),
      await asBen(
        "POST",
        `/conversations/${his.conversation_id}/messages`,
        { content: "Hi." },
        { accept: "text/event-stream", "last-event-id": cursors.stream },
      ),
    ];
    for (const stream of streams) {
      expect(stream.status).toBe(200);
      holdsNothing(stream);
      expect(stream.text).toContain("Nothing of hers.");
    }
    const theirs = await asBen("GET", `/turns/${hers.turn_id}/events?after=${cursors.stream}`);
    expectProblem(theirs, 404, "not_found");
    holdsNothing(theirs);
  });

  test("her client_message_id and Idempotency-Key find nothing of hers", async () => {
    const own = `/conversations/${his.conversation_id}/messages`;
    const body = { content: CANARY, client_message_id: CANARY, reply: false };
    const sent = await asBen("POST", own, body);
    expect({ status: sent.status, replayed: sent.headers["idempotent-replayed"] }).toEqual({ status: 201 });
    const keyed = { "idempotency-key": "one-key" };
    await call(server, "POST", "/api/v2/characters", {
      token: ann.token,
      headers: keyed,
      json: { name: CANARY },
    });
    const made = await asBen("POST", "/characters", { name: "x" }, keyed);
    expect(made.status).toBe(201);
    holdsNothing(made);
  });

  test("her public character is his to see, and what she says to it is not", async () => {
    const open = await ann.client.characters.create({ name: "Open", visibility: "public" });
    const { id } = await ann.client.conversations.create({ character_ids: [open.id] });
    await note(ann.client, id, CANARY);
    const list = await asBen("GET", "/characters?limit=200");
    expect(list.text).toContain(open.id);
    holdsNothing(list);
    const started = await asBen("POST", "/conversations", { character_ids: [open.id] });
    expect(started.status).toBe(201);
    holdsNothing(started);
  });
});

test("after all of this nothing of hers has changed", async () => {
  const conversation = await ann.client.conversations.get({
    conversation_id: hers.conversation_id as string,
  });
  expect(conversation).toMatchObject({ title: CANARY, message_count: 3, head_id: hers.reply_id });
  const { items } = await ann.client.messages.list({ conversation_id: hers.conversation_id as string });
  expect(items.map(({ content }) => content)).toEqual([CANARY, CANARY, CANARY]);
  const character = await ann.client.characters.get({ character_id: hers.character_id as string });
  expect(character).toMatchObject({ version: 1, description: CANARY });
  expect((await ann.client.keys.list()).items.map(({ id }) => id)).toContain(hers.key_id);
});

test("her own credential opens every one of these doors, so that the matrix proves something", async () => {
  const inOrder = routes.filter(({ route }) => route.access !== "public");
  const rank = ({ name, route }: (typeof routes)[number]) =>
    isLast(name) ? 9 : route.method === "DELETE" ? (name === "conversations.remove" ? 3 : 2) : 1;
  const { body } = await call<{ session: { access_token: string } }>(server, "POST", "/api/v2/sessions", {
    json: { email: ann.email, password: ann.password },
  });
  for (const one of inOrder.sort((a, b) => rank(a) - rank(b))) {
    const token = one.name === "sessions.end" ? body.session.access_token : ann.token;
    if (one.name === "users.remove") continue;
    const { status, text } = await tryRoute(one, token);
    expect({ name: one.name, isOpen: status >= 200 && status < 300, text }).toMatchObject({ isOpen: true });
  }
  const removal = await call(server, "DELETE", "/api/v2/users/me", { token: ann.token });
  expect(removal.status).toBe(204);
});
