import { expect, test } from "vitest";
import { lazily } from "./lazily.ts";

test("what is made is made once, for all who ask meanwhile and afterwards; a failure is not kept", async () => {
  let tries = 0;
  const get = lazily(async () => {
    tries++;
    if (tries === 1) throw new Error("no file can be opened");
    return tries;
  });
  await expect(Promise.all([get(), get()])).rejects.toThrow("no file");
  expect(await Promise.all([get(), get()])).toEqual([2, 2]);
  expect(await get()).toBe(2);
});
