import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { inflateSync } from "node:zlib";
import type { Character } from "@parley-chat/sdk/contract";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { badFiles, goodFiles } from "../cards/corpus.ts";
import { base64, cardPng, chunk, header, pngOf, rows, text } from "../cards/make-png.ts";
import { type Server, startServer } from "../rig/server.ts";
import { answering, startUpstream, type Upstream } from "../rig/upstream.ts";
import { call, codeOf, expectProblem, manyAddresses, newPerson, type Person, say } from "./helpers.ts";

interface Imported {
  character: Character;
  report: { format: string; warnings: { code: string; path: string; message: string }[] };
}

let server: Server;
let upstream: Upstream;
let ann: Person;
let ben: Person;

beforeAll(async () => {
  upstream = await startUpstream(answering("Hello."));
  server = await startServer({ env: { ...upstream.env, ...manyAddresses, MAX_IMPORTS_PER_MINUTE: "0" } });
  [ann, ben] = await Promise.all([newPerson(server), newPerson(server)]);
});
afterAll(async () => {
  await server?.kill();
  upstream?.close();
});

const importFile = (raw: Buffer, type: string, headers = {}) =>
  call<Imported>(server, "POST", "/api/v2/characters/import", {
    token: ann.token,
    raw,
    headers: { "content-type": type, ...headers },
  });
const get = (path: string, person: Person = ann, headers = {}) =>
  fetch(`${server.url}${path}`, { headers: { authorization: `Bearer ${person.token}`, ...headers } });
const card = (data: object = {}, spec = "chara_card_v2") => ({
  spec,
  spec_version: spec.endsWith("3") ? "3.0" : "2.0",
  data: { name: "Mira", ...data },
});
const blobsIn = async () => {
  const folders = (await readdir(join(server.dataDir, "blobs"))).filter((name) => name !== "drafts");
  return (await Promise.all(folders.map((name) => readdir(join(server.dataDir, "blobs", name))))).flat();
};
const large = (data: object) =>
  pngOf(header(900, 1_400), text("tEXt", "chara", base64(card(data))), rows(900, 1_400), chunk("IEND"));

describe("every file of the corpus", () => {
  test("that is good is taken with its report, and comes back the same by both ways out", async () => {
    for (const { name, type, bytes, expected } of goodFiles()) {
      if ("code" in expected) throw new Error("a bad file among the good");
      const { status, body, text: raw } = await importFile(bytes(), type);
      expect({ name, status, raw: status === 201 ? "" : raw }).toMatchObject({ status: 201 });
      const { character, report } = body;
      expect({ name, format: report.format }).toEqual({ name, format: expected.format });
      expect({ name, codes: report.warnings.map(({ code }) => code) }).toEqual({
        name,
        codes: expected.warnings,
      });
      expect(character).toMatchObject({ version: 1, owner_id: ann.id, visibility: "private" });
      const id = { character_id: character.id };
      const exported = JSON.parse(await (await ann.client.characters.export(id)).text());
      if (expected.card) expect(exported).toMatchObject(expected.card);
      for (const format of ["json", "png"] as const) {
        const file = await ann.client.characters.export({ ...id, format });
        const second = await ann.client.characters.import({ file });
        const { id: _, created_at, updated_at, avatar_url, ...fields } = second.character;
        expect(character).toMatchObject(fields);
        const again = await ann.client.characters.export({ character_id: second.character.id });
        expect(JSON.parse(await again.text())).toEqual(exported);
        if (format === "png" && character.avatar_url) {
          expect(avatar_url?.split("?")[1]).toBe(character.avatar_url.split("?")[1]);
        }
      }
    }
  });

  test("that is bad is refused with one sentence, and leaves nothing behind", async () => {
    const list = async () => (await ann.client.characters.list({ limit: 1 })).items[0]?.id;
    const [newest, blobs] = [await list(), await blobsIn()];
    for (const { name, type, bytes, expected } of badFiles()) {
      if (!("code" in expected)) throw new Error("a good file among the bad");
      const answer = await importFile(bytes(), type);
      const problem = expectProblem(
        answer as never,
        expected.code === "invalid_card" ? 422 : 413,
        expected.code,
      );
      expect({ name, detail: problem.detail }).toEqual({
        name,
        detail: expect.stringMatching(expected.says),
      });
    }
    expect([await list(), await blobsIn()]).toEqual([newest, blobs]);
    expect(server.stderr()).not.toContain("a call failed");
  });
});

describe("sending a file", () => {
  test("of no or another content type, packed, or empty is refused", async () => {
    for (const type of ["text/plain", "image/jpeg", "application/octet-stream", "image/png-x"]) {
      expectProblem((await importFile(cardPng(card()), type)) as never, 415, "unsupported_type");
    }
    const packed = { "content-encoding": "gzip" };
    expectProblem((await importFile(cardPng(card()), "image/png", packed)) as never, 415, "unsupported_type");
    const empty = await importFile(Buffer.alloc(0), "image/png");
    expect([415, 422]).toContain(empty.status);
    expect((await importFile(cardPng(card()), "IMAGE/PNG; name=x")).status).toBe(201);
  });

  test("keeps nothing that hides behind the rows of its picture", async () => {
    const hidden = chunk("IDAT", "the whole card again");
    const file = pngOf(
      header(40, 60),
      text("tEXt", "chara", base64(card())),
      rows(40, 60),
      hidden,
      chunk("IEND"),
    );
    const { body } = await importFile(file, "image/png");
    expect(body.report.warnings).toEqual([]);
    const kept = Buffer.from(await (await get(body.character.avatar_url as string)).arrayBuffer());
    expect(kept.equals(pngOf(header(40, 60), rows(40, 60), chunk("IEND")))).toBe(true);
  });

  test("again with its Idempotency-Key gives the same character; another file under it is refused", async () => {
    const headers = { "idempotency-key": "once" };
    const first = await importFile(cardPng(card()), "image/png", headers);
    const second = await importFile(cardPng(card()), "image/png", headers);
    expect(second.body).toEqual(first.body);
    expect(second.headers["idempotent-replayed"]).toBe("true");
    const other = await importFile(cardPng(card({ description: "x" })), "image/png", headers);
    expectProblem(other as never, 422, "idempotency_key_reused");
  });

  test("by the SDK takes a Blob or bytes, and tells what it is by itself", async () => {
    const { import: take } = ann.client.characters;
    const json = Buffer.from(JSON.stringify(card({ tags: ["json"] })));
    const files = [
      cardPng(card()),
      new Uint8Array(json),
      new Blob([cardPng(card())], { type: "image/png" }),
      new Blob([json]),
    ];
    for (const file of files) expect((await take({ file })).character.name).toBe("Mira");
    expect(await codeOf(take({ file: json, type: "text/plain" }))).toBe("unsupported_type");
  });

  test("longer than PARLEY_UPLOAD_BYTES_MAX is 413", async () => {
    const small = await startServer({ env: { ...upstream.env, PARLEY_UPLOAD_BYTES_MAX: "2048" } });
    const { import: take } = small.owner.characters;
    expect((await take({ file: cardPng(card()) })).character.name).toBe("Mira");
    expect(await codeOf(take({ file: cardPng(card({ description: "x".repeat(2_000) })) }))).toBe(
      "payload_too_large",
    );
    await small.kill();
  });
});

describe("a picture", () => {
  test("is shown without the card in it, small or whole, under headers that let nothing in it run", async () => {
    const { character } = await ann.client.characters.import({ file: large({ description: "secret" }) });
    expect(character.avatar_url).toMatch(/^\/api\/v2\/characters\/[0-9a-f-]{36}\/avatar\?v=[0-9a-f]{16}$/);
    const whole = await get(character.avatar_url as string);
    expect(Object.fromEntries(whole.headers)).toMatchObject({
      "content-type": "image/png",
      "x-content-type-options": "nosniff",
      "content-security-policy": "default-src 'none'; sandbox",
      "cross-origin-resource-policy": "same-origin",
      "cache-control": "private, max-age=86400",
      vary: "authorization, x-api-key",
    });
    const bytes = Buffer.from(await whole.arrayBuffer());
    expect(bytes.includes("chara")).toBe(false);
    expect([bytes.readUInt32BE(16), bytes.readUInt32BE(20)]).toEqual([900, 1_400]);
    const small = await ann.client.characters.avatar({ character_id: character.id, size: "thumb" });
    const thumb = Buffer.from(await small.arrayBuffer());
    expect([small.type, thumb.readUInt32BE(16), thumb.readUInt32BE(20)]).toEqual(["image/png", 247, 384]);
    const length = thumb.readUInt32BE(33);
    const packed = thumb.subarray(41, 41 + length);
    expect(new Set(inflateSync(packed).subarray(1, 700))).toEqual(new Set([0x7f, 0]));
    const tag = whole.headers.get("etag") as string;
    const again = await get(`/api/v2/characters/${character.id}/avatar`, ann, {
      "if-none-match": `"x", W/${tag}`,
    });
    expect([again.status, again.headers.get("cache-control"), await again.text()]).toEqual([
      304,
      "private, no-cache",
      "",
    ]);
  });

  test("and an export are for those who may see the character, and for nobody once it is deleted", async () => {
    const { character } = await ann.client.characters.import({ file: large({}) });
    const id = { character_id: character.id };
    const doors = (person: Person) => [
      () => person.client.characters.avatar(id),
      () => person.client.characters.export(id),
    ];
    for (const door of doors(ben)) expect(await codeOf(door())).toBe("not_found");
    await ann.client.characters.update({ ...id, visibility: "public" });
    for (const door of doors(ben)) expect((await door()).size).toBeGreaterThan(100);
    await ann.client.characters.remove(id);
    for (const door of [...doors(ann), ...doors(ben)]) expect(await codeOf(door())).toBe("not_found");
  });

  test("each of our own characters has one; a character without one is 404 and still leaves as a PNG", async () => {
    const ours = (await ben.client.characters.list({ limit: 200 })).items.filter(
      (one) => one.owner_id === null,
    );
    expect(ours).toHaveLength(4);
    for (const { id, avatar_url } of ours) {
      expect(avatar_url).toMatch(/\?v=[a-z]+-\d+$/);
      for (const size of ["full", "thumb"] as const) {
        const { size: bytes } = await ann.client.characters.avatar({ character_id: id, size });
        expect(bytes).toBeLessThan(80_000);
      }
    }
    const { id, avatar_url } = await ann.client.characters.create({ name: "Ünï/../код", nickname: "U" });
    expect([avatar_url, await codeOf(ann.client.characters.avatar({ character_id: id }))]).toEqual([
      null,
      "not_found",
    ]);
    const file = await get(`/api/v2/characters/${id}/export?format=png`);
    expect(file.headers.get("content-disposition")).toBe(
      `attachment; filename="_n_ .. _.png"; filename*=UTF-8''%C3%9Cn%C3%AF%20..%20%D0%BA%D0%BE%D0%B4.png`,
    );
    const { character, report } = await ann.client.characters.import({ file: await file.blob() });
    expect([character.name, character.nickname, report.format]).toEqual(["Ünï/../код", "U", "chara_card_v3"]);
  });

  test("is in the export of its owner, and goes with the account", async () => {
    const person = await newPerson(server);
    await person.client.characters.import({ file: cardPng(card()) });
    const exported = (await person.client.users.export()) as { characters: { avatar_png?: string }[] };
    expect(Buffer.from(exported.characters[0]?.avatar_png ?? "", "base64").toString("latin1")).toMatch(
      /^.PNG/,
    );
  });
});

test("a card of another tool is talked with: its book's constant and keyed entries reach the model", async () => {
  const character_book = {
    entries: [
      { keys: ["x"], content: "Bees sleep in winter.", constant: true, insertion_order: 1 },
      { keys: ["hive"], content: "There are eleven hives.", insertion_order: 2 },
      { keys: ["sea"], content: "The sea is far.", insertion_order: 3 },
    ],
  };
  const { character } = await ann.client.characters.import({ file: cardPng(card({ character_book })) });
  const conversation = await ann.client.conversations.create({ character_ids: [character.id] });
  const before = upstream.calls.length;
  await say(ann.client, conversation.id, "How many HIVES do you have?");
  const prompt = JSON.stringify(upstream.calls[before]?.body);
  expect(prompt).toContain("Bees sleep in winter.\\n\\nThere are eleven hives.");
  expect(prompt).not.toContain("The sea is far.");
});
