import type { Character } from "@parley-chat/sdk/contract";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Server, startServer } from "../rig/server.ts";
import { answering, startUpstream, type Upstream } from "../rig/upstream.ts";
import {
  aMomentLater,
  call,
  codeOf,
  expectProblem,
  manyAddresses,
  newPerson,
  type Person,
  say,
} from "./helpers.ts";

let server: Server;
let upstream: Upstream;
let ann: Person;
let ben: Person;

beforeAll(async () => {
  upstream = await startUpstream(answering("Hello."));
  server = await startServer({ env: { ...upstream.env, ...manyAddresses } });
  [ann, ben] = await Promise.all([newPerson(server), newPerson(server)]);
});
afterAll(async () => {
  await server?.kill();
  upstream?.close();
});

const asAnn = <T = Character>(method: string, path: string, json?: unknown, headers = {}) =>
  call<T>(server, method, `/api/v2${path}`, {
    token: ann.token,
    headers,
    ...(json !== undefined && { json }),
  });

const v3Fields = {
  nickname: "Vee",
  assets: [{ type: "icon", uri: "ccdefault:", name: "main", ext: "png" }],
  creator_notes_multilingual: { de: "Notizen" },
  source: ["https://example.org/vera"],
  group_only_greetings: ["All of you!"],
  creation_date: 1_700_000_000,
  modification_date: 1_700_000_001,
};
const v2Fields = {
  description: "A lighthouse keeper.",
  personality: "Dry.",
  scenario: "A storm.",
  first_mes: "Mind the step, {{user}}.",
  mes_example: "<START>\n{{user}}: Hi\n{{char}}: Hm.",
  creator_notes: "Notes.",
  system_prompt: "Stay dry.",
  post_history_instructions: "Be brief.",
  alternate_greetings: ["You again.", "Hm."],
  character_book: { entries: [{ keys: ["lamp"], content: "It is old.", odd: { kept: true } }], odd: 1 },
  tags: ["sea", "Night"],
  creator: "someone",
  character_version: "7",
  extensions: { depth: { n: [1, null, "x"] } },
};

describe("making a character", () => {
  test("takes card fields at top level; what is missing takes its default", async () => {
    const { status, body } = await asAnn("POST", "/characters", { name: "Vera" });
    expect(status).toBe(201);
    const empty = ["description", "personality", "scenario", "first_mes", "mes_example", "creator_notes"];
    const alsoEmpty = ["system_prompt", "post_history_instructions", "creator", "character_version"];
    expect(body).toEqual({
      id: expect.any(String),
      version: 1,
      owner_id: ann.id,
      visibility: "private",
      avatar_url: null,
      name: "Vera",
      ...Object.fromEntries([...empty, ...alsoEmpty].map((name) => [name, ""])),
      alternate_greetings: [],
      tags: [],
      extensions: {},
      created_at: expect.any(String),
      updated_at: expect.any(String),
    });
  });

  test("gives every V2 and V3 field back as it was sent", async () => {
    const sent = { name: "Vera", visibility: "public", ...v2Fields, ...v3Fields };
    const made = await asAnn("POST", "/characters", sent);
    expect(made.body).toMatchObject(sent);
    expect((await asAnn("GET", `/characters/${made.body.id}`)).body).toEqual(made.body);
  });

  test("a name has 1 to 200 characters that are not all blank", async () => {
    expect((await asAnn("POST", "/characters", { name: "🦉".repeat(200) })).status).toBe(201);
    for (const name of ["", " ", "\u200b", "🦉".repeat(201)]) {
      const { errors } = expectProblem(
        await asAnn("POST", "/characters", { name }),
        422,
        "validation_failed",
      );
      expect(errors?.[0]?.path).toBe("name");
    }
    expectProblem(await asAnn("POST", "/characters", { description: "x" }), 422, "validation_failed");
  });

  test("an unknown field at top level is an error; in a whole card it is kept", async () => {
    const { errors } = expectProblem(
      await asAnn("POST", "/characters", { name: "Vera", unheard_of: 1 }),
      422,
      "validation_failed",
    );
    expect(errors?.[0]?.path).toBe("unheard_of");
    const card = {
      spec: "chara_card_v2",
      spec_version: "2.0",
      data: { name: "Vera", unheard_of: { deep: [1] } },
      beside: true,
    };
    const made = await asAnn<Character & { unheard_of: unknown }>("POST", "/characters", card);
    expect({ status: made.status, kept: made.body.unheard_of }).toEqual({ status: 201, kept: { deep: [1] } });
    expect(made.body.visibility).toBe("private");
  });

  test("takes whole V2 and V3 cards, V1 fields on top beside them, and a visibility", async () => {
    const v1 = {
      name: "Vera",
      description: "old",
      personality: "",
      scenario: "",
      first_mes: "",
      mes_example: "",
    };
    const v2 = { ...v1, spec: "chara_card_v2", spec_version: "2.0", data: { name: "Vera", ...v2Fields } };
    const v3 = {
      spec: "chara_card_v3",
      spec_version: "3.0",
      data: { name: "Vera", ...v2Fields, ...v3Fields },
    };
    for (const card of [v2, v3]) {
      const made = await asAnn("POST", "/characters", { ...card, visibility: "public" });
      expect(made.status).toBe(201);
      expect(made.body).toMatchObject({ ...card.data, visibility: "public", version: 1 });
    }
  });

  test("a body is read as what it fits: fields with a visibility, a V2 card that repeats V1 fields", async () => {
    const fields = await asAnn("POST", "/characters", { name: "Vera", visibility: "public" });
    expect({ status: fields.status, seen: fields.body.visibility }).toEqual({ status: 201, seen: "public" });
    const v1 = { name: "V", description: "", personality: "", scenario: "", first_mes: "", mes_example: "" };
    const more = {
      tags: [],
      creator: "x",
      creator_notes: "",
      talkativeness: "0.5",
      chat: "",
      avatar: "none",
    };
    const card = await asAnn("POST", "/characters", {
      ...v1,
      ...more,
      spec: "chara_card_v2",
      data: { name: "W" },
    });
    expect({ status: card.status, name: card.body.name }).toEqual({ status: 201, name: "W" });
    const { detail } = expectProblem(
      await asAnn("POST", "/characters", { ...v1, spec: "chara_card_v2" }),
      422,
      "validation_failed",
    );
    expect(detail).toContain("data is missing");
  });

  test("a V1 card is card fields at top level", async () => {
    const v1 = {
      name: "Vera",
      description: "d",
      personality: "p",
      scenario: "s",
      first_mes: "f",
      mes_example: "m",
    };
    expect((await asAnn("POST", "/characters", v1)).body).toMatchObject(v1);
  });

  test("a whole card that is none is 422 with the path of what is wrong", async () => {
    const bad: [card: object, path: string][] = [
      [{ spec: "chara_card_v9", data: { name: "x" } }, "spec"],
      [{ spec: "chara_card_v2", data: { name: "x", description: 7 } }, "data.description"],
      [{ spec: "chara_card_v2", data: { name: "x", tags: [7] } }, "data.tags.0"],
      [{ spec: "chara_card_v2", data: { name: " " } }, "data.name"],
      [{ spec: "chara_card_v2", data: { description: "no name" } }, "data.name"],
    ];
    for (const [card, path] of bad) {
      const answer = await asAnn<{ errors: { path: string }[] }>("POST", "/characters", card);
      expect(answer.status).toBe(422);
      expect(answer.body.errors.map((error) => error.path)).toContain(path);
    }
  });
});

describe("versions", () => {
  test("a change makes one, no change makes none, and old ones stay readable", async () => {
    const { body: made } = await asAnn("POST", "/characters", { name: "Vera", ...v2Fields });
    const path = `/characters/${made.id}`;
    const second = await asAnn("PATCH", path, { description: "Second.", tags: ["new"] });
    expect(second.body).toMatchObject({ version: 2, description: "Second.", tags: ["new"], name: "Vera" });
    for (const same of [{}, { description: "Second." }, { tags: ["new"] }]) {
      expect((await asAnn("PATCH", path, same)).body).toEqual(second.body);
    }
    const third = await asAnn("PATCH", path, { extensions: { other: true } });
    expect(third.body).toMatchObject({ version: 3, extensions: { other: true } });
    expect((await asAnn("GET", `${path}?version=1`)).body).toMatchObject({ version: 1, ...v2Fields });
    expect((await asAnn("GET", `${path}?version=2`)).body).toMatchObject({
      version: 2,
      description: "Second.",
    });
    expect((await asAnn("GET", path)).body).toEqual(third.body);
    expectProblem(await asAnn("GET", `${path}?version=4`), 404, "not_found");
    for (const version of ["0", "-1", "x", "1.0"]) {
      expectProblem(await asAnn("GET", `${path}?version=${version}`), 422, "validation_failed");
    }
  });

  test("what was said while it was private stays unread by others once it is public", async () => {
    const ben = await newPerson(server);
    const { body: made } = await asAnn("POST", "/characters", { name: "Vera", description: "A secret." });
    const path = `/characters/${made.id}`;
    await asAnn("PATCH", path, { description: "For all.", visibility: "public" });
    const asBen = (query: string) => call(server, "GET", `/api/v2${path}${query}`, { token: ben.token });
    expect((await asBen("")).body).toMatchObject({ version: 2, description: "For all." });
    expectProblem(await asBen("?version=1"), 404, "not_found");
    expect((await asAnn("GET", `${path}?version=1`)).body).toMatchObject({ description: "A secret." });
  });

  test("If-Match: the version now lets the change through, another is 412 and changes nothing", async () => {
    const { body: made } = await asAnn("POST", "/characters", { name: "Vera" });
    const change = (name: string, ifMatch: string) =>
      asAnn("PATCH", `/characters/${made.id}`, { name }, { "if-match": ifMatch });
    expect((await change("B", '"1"')).body).toMatchObject({ version: 2, name: "B" });
    for (const old of ['"1"', '"3"', "2", 'W/"2"', '"x"']) {
      expectProblem(await change("C", old), 412, "version_conflict");
    }
    expect((await change("C", '"2"')).body.version).toBe(3);
    const race = await Promise.all(["D", "E", "F"].map((name) => change(name, '"3"')));
    expect(race.map(({ status }) => status).sort()).toEqual([200, 412, 412]);
  });

  test("a turn uses the newest version and records it", async () => {
    const { body: made } = await asAnn("POST", "/characters", { name: "Vera", description: "canary-one" });
    const { id } = await ann.client.conversations.create({ character_ids: [made.id] });
    const first = await say(ann.client, id, "Hi.");
    await asAnn("PATCH", `/characters/${made.id}`, { description: "canary-two" });
    const second = await say(ann.client, id, "Hi.");
    const versions = [first, second].map(({ turn }) => ann.client.turns.get({ turn_id: turn.id }));
    expect((await Promise.all(versions)).map((turn) => turn.character_version)).toEqual([1, 2]);
    const prompts = upstream.calls.slice(-2).map(({ body }) => JSON.stringify(body.messages));
    expect(prompts[0]).toContain("canary-one");
    expect(prompts[1]).toContain("canary-two");
    expect(prompts[1]).not.toContain("canary-one");
  });
});

describe("whose it is", () => {
  test("a private one is nobody else's to see; a public one to see and not to change", async () => {
    const { body: made } = await asAnn("POST", "/characters", { name: "Vera" });
    const of = { character_id: made.id };
    const his = ben.client.characters;
    const changes = [() => his.update({ ...of, name: "x" }), () => his.remove(of)];
    for (const refused of [() => his.get(of), ...changes]) expect(await codeOf(refused())).toBe("not_found");
    await asAnn("PATCH", `/characters/${made.id}`, { visibility: "public" });
    expect((await his.get(of)).name).toBe("Vera");
    for (const change of changes) expect(await codeOf(change())).toBe("not_owner");
    const { id } = await ben.client.conversations.create({ character_ids: [made.id] });
    expect((await say(ben.client, id, "Hi.")).end.type).toBe("turn.completed");
    await asAnn("PATCH", `/characters/${made.id}`, { visibility: "private" });
    expect(await codeOf(his.get(of))).toBe("not_found");
  });

  test("at least three of ours are there: public, owned by nobody, changed by nobody, ready to talk", async () => {
    const { items } = await ben.client.characters.list({ limit: 200 });
    const ours = items.filter(({ owner_id }) => owner_id === null);
    expect(ours.length).toBeGreaterThanOrEqual(3);
    for (const { id, visibility, description, first_mes } of ours) {
      expect({ visibility, isWhole: description.length > 0 && first_mes.length > 0 }).toEqual({
        visibility: "public",
        isWhole: true,
      });
      for (const { characters } of [ben.client, server.owner]) {
        expect(await codeOf(characters.update({ character_id: id, name: "x" }))).toBe("not_owner");
        expect(await codeOf(characters.remove({ character_id: id }))).toBe("not_owner");
      }
    }
  });
});

describe("lists", () => {
  test("hold mine and the public ones, newest first, whole over every page size", async () => {
    const cem = await newPerson(server);
    const ids: string[] = [];
    for (let n = 0; n < 7; n++) {
      const { id } = await aMomentLater(await cem.client.characters.create({ name: `of Cem ${n}` }));
      ids.unshift(id);
    }
    const whole = (await cem.client.characters.list({ limit: 200 })).items;
    expect(whole.filter(({ owner_id }) => owner_id === cem.id).map(({ id }) => id)).toEqual(ids);
    const times = whole.map(({ created_at }) => created_at);
    expect(times).toEqual([...times].sort().reverse());
    for (const limit of [1, 3]) {
      const found: string[] = [];
      let cursor: string | undefined;
      do {
        const page = await cem.client.characters.list({ limit, ...(cursor && { cursor }) });
        expect(page.items.length).toBeLessThanOrEqual(limit);
        found.push(...page.items.map(({ id }) => id));
        cursor = page.next_cursor ?? undefined;
      } while (cursor);
      expect(found).toEqual(whole.map(({ id }) => id));
    }
  });

  test("q finds a part of name or description, tag a whole tag, both without case; wildcards are plain text", async () => {
    const dee = await newPerson(server);
    const make = (name: string, description: string, tags: string[]) =>
      dee.client.characters.create({ name, description, tags });
    await make("Zorblax Prime", "likes 100% wool", ["Xenial"]);
    await make("Other", "a friend of zorblax", ["xen"]);
    const names = async (query: { q?: string; tag?: string }) =>
      (await dee.client.characters.list(query)).items.map(({ name }) => name);
    expect(await names({ q: "ZORB" })).toEqual(["Other", "Zorblax Prime"]);
    expect(await names({ q: "100%" })).toEqual(["Zorblax Prime"]);
    expect(await names({ q: "z_rb" })).toEqual([]);
    expect(await names({ tag: "xenial" })).toEqual(["Zorblax Prime"]);
    expect(await names({ tag: "xen" })).toEqual(["Other"]);
    expect(await names({ q: "zorblax", tag: "Xen" })).toEqual(["Other"]);
  });
});

describe("deleting", () => {
  test("is soft: the conversation stays readable, sends there are 409, retries still answer", async () => {
    const { body: made } = await asAnn("POST", "/characters", { name: "Vera", first_mes: "Hi." });
    const { id } = await ann.client.conversations.create({ character_ids: [made.id] });
    const { message, reply } = await say(ann.client, id, "Hello.", { client_message_id: "one" });
    await ann.client.characters.remove({ character_id: made.id });
    expectProblem(await asAnn("GET", `/characters/${made.id}`), 404, "not_found");
    expectProblem(await asAnn("GET", `/characters/${made.id}?version=1`), 404, "not_found");
    expectProblem(await asAnn("PATCH", `/characters/${made.id}`, { name: "x" }), 404, "not_found");
    expect((await ann.client.characters.list({ q: "Vera" })).items.map((one) => one.id)).not.toContain(
      made.id,
    );
    expect((await ann.client.conversations.get({ conversation_id: id })).character_ids).toEqual([made.id]);
    expect((await ann.client.messages.list({ conversation_id: id })).items).toHaveLength(3);
    const refused = [
      () => ann.client.messages.send({ conversation_id: id, content: "Are you there?" }),
      () => ann.client.messages.send({ conversation_id: id, content: "A note.", reply: false }),
      () => ann.client.messages.regenerate({ message_id: reply.id }),
    ];
    for (const refuse of refused) expect(await codeOf(refuse())).toBe("character_deleted");
    const again = await asAnn<{ message: { id: string } }>("POST", `/conversations/${id}/messages`, {
      content: "Hello.",
      client_message_id: "one",
    });
    expect({ status: again.status, id: again.body.message.id }).toEqual({ status: 202, id: message.id });
    const { errors } = expectProblem(
      await asAnn("POST", "/conversations", { character_ids: [made.id] }),
      422,
      "validation_failed",
    );
    expect(errors?.[0]?.path).toBe("character_ids.0");
  });

  test("a turn that was accepted before still runs", async () => {
    const { body: made } = await asAnn("POST", "/characters", { name: "Vera" });
    const { id } = await ann.client.conversations.create({ character_ids: [made.id] });
    const nth = upstream.calls.length + 1;
    upstream.onCall = null;
    const [first, second] = [
      await ann.client.messages.send({ conversation_id: id, content: "One." }),
      await ann.client.messages.send({ conversation_id: id, content: "Two." }),
    ];
    const answer = await upstream.call(nth);
    await ann.client.characters.remove({ character_id: made.id });
    upstream.onCall = answering("Hello.");
    answer.say("Still here.");
    answer.finish();
    for (const { turn } of [first, second]) {
      let last = "";
      for await (const event of ann.client.events(turn?.id as string)) last = event.type;
      expect(last).toBe("turn.completed");
    }
  });
});
