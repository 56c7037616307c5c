import { readdir } from "node:fs/promises";
import { join } from "node:path";
import type { Character } from "@parley-chat/sdk/contract";
import { afterAll, beforeAll, expect, test } from "vitest";
import { cardPng, chunk, header, pngOf, rows, text } from "../cards/make-png.ts";
import { type Server, startServer } from "../rig/server.ts";
import { call, codeOf, expectProblem, manyAddresses, newPerson, type Person } from "./helpers.ts";

let server: Server;
let ann: Person;
let ben: Person;

beforeAll(async () => {
  server = await startServer({ env: { ...manyAddresses, MAX_IMPORTS_PER_MINUTE: "0" } });
  [ann, ben] = await Promise.all([newPerson(server), newPerson(server)]);
});
afterAll(() => server?.kill());

const sized = (width: number, height: number, ...more: Buffer[]) =>
  pngOf(header(width, height), ...more, rows(width, height), chunk("IEND"));
const put = (character: Character, raw: Buffer, type = "image/png") =>
  call<Character>(server, "PUT", `/api/v2/characters/${character.id}/avatar`, {
    token: ann.token,
    raw,
    headers: { "content-type": type },
  });
const blobsIn = async () => {
  const paths = await readdir(join(server.dataDir, "blobs"), { recursive: true });
  return paths.filter((path) => /[0-9a-f]{64}$/.test(path)).length;
};

test("a character gets a picture, another one, and none again; its card and version stay", async () => {
  const made = await ann.client.characters.create({ name: "Mira" });
  const id = { character_id: made.id };
  const first = await ann.client.characters.setAvatar({ ...id, file: sized(900, 600) });
  expect(first).toEqual({ ...made, avatar_url: expect.stringMatching(/avatar\?v=[0-9a-f]{16}$/) });
  expect(await ann.client.characters.get(id)).toEqual(first);
  const small = await ann.client.characters.avatar({ ...id, size: "thumb" });
  const shown = Buffer.from(await small.arrayBuffer());
  expect([shown.readUInt32BE(16), shown.readUInt32BE(20)]).toEqual([384, 256]);

  const second = await ann.client.characters.setAvatar({ ...id, file: sized(40, 30) });
  expect(second.avatar_url).not.toBe(first.avatar_url);
  const again = await ann.client.characters.setAvatar({ ...id, file: sized(40, 30) });
  expect(again.avatar_url).toBe(second.avatar_url);
  const changed = await ann.client.characters.update({ ...id, description: "Keeps bees." });
  expect([changed.version, changed.avatar_url]).toEqual([2, second.avatar_url]);
  const card = Buffer.from(
    await (await ann.client.characters.export({ ...id, format: "png" })).arrayBuffer(),
  );
  expect([card.readUInt32BE(16), card.readUInt32BE(20)]).toEqual([40, 30]);

  expect((await ann.client.characters.removeAvatar(id)).avatar_url).toBeNull();
  expect(await codeOf(ann.client.characters.avatar(id))).toBe("not_found");
  expect((await ann.client.characters.removeAvatar(id)).avatar_url).toBeNull();
});

test("only what is shown of a picture is kept: a card in it is not read, and not given out", async () => {
  const made = await ann.client.characters.create({ name: "Mira" });
  const file = sized(20, 20, text("tEXt", "Comment", Buffer.from("where it was taken")));
  for (const picture of [file, cardPng({ spec: "chara_card_v2", data: { name: "Someone else" } })]) {
    const { body } = await put(made, picture);
    expect(body.name).toBe("Mira");
    const answer = await fetch(`${server.url}${body.avatar_url}`, {
      headers: { authorization: `Bearer ${ann.token}` },
    });
    expect(Buffer.from(await answer.arrayBuffer()).includes("tEXt")).toBe(false);
  }
});

test("what cannot be shown is refused in a sentence and leaves the character and the store as they were", async () => {
  const made = (await put(await ann.client.characters.create({ name: "Mira" }), sized(64, 64))).body;
  const before = await blobsIn();
  const good = sized(50, 50);
  const damaged = Buffer.from(good);
  damaged[60] = (damaged[60] as number) ^ 0xff;
  const lying = pngOf(header(60_000, 60_000), rows(4, 4), chunk("IEND"));
  for (const raw of [damaged, good.subarray(0, 40), Buffer.from("GIF89a"), lying, Buffer.alloc(0)]) {
    expectProblem(await put(made, raw), 422, "validation_failed");
  }
  expectProblem(await put(made, good, "image/jpeg"), 415, "unsupported_type");
  expect(await ann.client.characters.get({ character_id: made.id })).toEqual(made);
  expect(await blobsIn()).toBe(before);
});

test("a picture is given and taken by the owner alone, and counts as an import", async () => {
  const made = await ann.client.characters.create({ name: "Mira" });
  const id = { character_id: made.id };
  const file = sized(30, 30);
  expect(await codeOf(ben.client.characters.setAvatar({ ...id, file }))).toBe("not_found");
  await ann.client.characters.update({ ...id, visibility: "public" });
  expect(await codeOf(ben.client.characters.setAvatar({ ...id, file }))).toBe("not_owner");
  expect(await codeOf(ben.client.characters.removeAvatar(id))).toBe("not_owner");
  await ann.client.characters.remove(id);
  expect(await codeOf(ann.client.characters.setAvatar({ ...id, file }))).toBe("not_found");
  const few = await startServer({ env: { MAX_IMPORTS_PER_MINUTE: "1" } });
  const own = { character_id: (await few.owner.characters.create({ name: "Mira" })).id };
  await few.owner.characters.setAvatar({ ...own, file });
  expect(await codeOf(few.owner.characters.setAvatar({ ...own, file }))).toBe("rate_limited");
  await few.kill();
});
