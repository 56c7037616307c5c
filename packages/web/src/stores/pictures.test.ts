import type { Character, Client } from "@parley-chat/sdk";
import { expect, test } from "vitest";
import { createPictures } from "./pictures.ts";

const character = (id: string) => ({ id, avatar_url: `/avatars/${id}` }) as Character;

function setUp(keptMax = 2) {
  const asked: string[] = [];
  const revoked: string[] = [];
  let hasFailed = false;
  let count = 0;
  const avatar = async ({ character_id, size }: { character_id: string; size: string }) => {
    asked.push(`${character_id} ${size}`);
    if (hasFailed) throw new Error("no network");
    return new Blob();
  };
  const pictures = createPictures({
    client: { characters: { avatar } } as unknown as Client,
    urls: { createObjectURL: () => `blob:${++count}`, revokeObjectURL: (url) => void revoked.push(url) },
    keptMax,
  });
  const see = async (id: string) => {
    const held = pictures.hold(character(id), "thumb");
    await held.url;
    held.release();
  };
  const fail = (next: boolean) => {
    hasFailed = next;
  };
  return { pictures, asked, revoked, see, fail };
}

test("a picture is fetched once for all that show it, and each size for itself", async () => {
  const { pictures, asked } = setUp();
  const shown = [pictures.hold(character("a"), "thumb"), pictures.hold(character("a"), "thumb")];
  expect(await Promise.all(shown.map(({ url }) => url))).toEqual(["blob:1", "blob:1"]);
  await pictures.hold(character("a"), "full").url;
  expect(asked).toEqual(["a thumb", "a full"]);
});

test("only so many are kept, those seen last, and never is one freed that is on the screen", async () => {
  const { pictures, asked, revoked, see } = setUp();
  const shown = pictures.hold(character("a"), "thumb");
  await shown.url;
  for (const id of ["b", "c", "b", "d", "e"]) await see(id);
  await expect.poll(() => revoked).toEqual(["blob:3", "blob:2"]);
  await see("e");
  await see("b");
  expect(asked.filter((one) => one === "e thumb")).toHaveLength(1);
  expect(asked.filter((one) => one === "b thumb")).toHaveLength(2);
  expect(revoked).not.toContain("blob:1");
  shown.release();
  shown.release();
  await see("f");
  await see("g");
  await expect.poll(() => revoked).toContain("blob:1");
});

test("signing out frees all of them, and none that is still on its way is kept", async () => {
  const { pictures, revoked } = setUp();
  await pictures.hold(character("a"), "thumb").url;
  const late = pictures.hold(character("b"), "thumb");
  pictures.close();
  expect(await late.url).toBeNull();
  await expect.poll(() => revoked).toEqual(["blob:1"]);
  expect(await pictures.hold(character("a"), "thumb").url).toBeNull();
});

test("a picture that could not be had is asked for again", async () => {
  const { pictures, asked, fail, see } = setUp();
  fail(true);
  await see("a");
  fail(false);
  expect(await pictures.hold(character("a"), "thumb").url).toBe("blob:1");
  expect(asked).toHaveLength(2);
});
