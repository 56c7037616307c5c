import { randomBytes } from "node:crypto";
import { expect, test } from "vitest";
import { problem } from "./fixture.ts";
import { createPasswords } from "./password.ts";

const passwords = createPasswords({ random: randomBytes });

test("a password is stored as argon2id with its cost and a salt of its own", async () => {
  const [first, second] = await Promise.all([
    passwords.hash("one two three"),
    passwords.hash("one two three"),
  ]);
  expect(first).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$/);
  expect(first).not.toBe(second);
  expect(await passwords.verify("one two three", first)).toBe(true);
  expect(await passwords.verify("one two threE", first)).toBe(false);
});

test("a hash of other cost, as another version may have made, is still verified", async () => {
  // From the reference implementation: echo -n password | argon2 somesalt -id -t 2 -m 16 -p 1 -l 32
  const stored = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
  expect(await passwords.verify("password", stored)).toBe(true);
  expect(await passwords.verify("Password", stored)).toBe(false);
});

test("one password typed on two machines, composed and decomposed, is one password", async () => {
  const stored = await passwords.hash("caf\u00e9 cr\u00e8me");
  expect(await passwords.verify("cafe\u0301 cre\u0300me", stored)).toBe(true);
});

test("a damaged hash, and none, match nothing", async () => {
  for (const stored of [null, "", "x", "$argon2id$v=19$m=99999999999,t=1,p=1$AAAA$AAAA", "$2b$10$abc"]) {
    expect(await passwords.verify("", stored)).toBe(false);
  }
});

test("too many at once are sent away, accounts that do not exist alike; those in line are all served", async () => {
  const cheap = "$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHQ$AAAAAAAAAAAAAAAAAAAAAA";
  const served = Promise.all(Array.from({ length: 102 }, () => passwords.verify("x", cheap)));
  for (const stored of [cheap, null]) {
    await expect(passwords.verify("x", stored)).rejects.toEqual(problem("overloaded", { retryAfterS: 1 }));
  }
  expect(await served).toHaveLength(102);
  expect(await passwords.verify("x", null)).toBe(false);
});
