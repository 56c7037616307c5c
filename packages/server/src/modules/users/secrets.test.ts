import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { inspect } from "node:util";
import { expect, test } from "vitest";
import { API_KEY, anyone, as, bearer, refresh, register, setUp } from "./fixture.ts";

test("no password, token, key, code or Idempotency-Key is in the data folder or in an error", async () => {
  const fixture = await setUp({ settings: { environmentApiKey: API_KEY } });
  const { all } = fixture;
  const canaries = new Set<string>([API_KEY]);
  const errors: unknown[] = [];
  const fails = async (work: Promise<unknown>) =>
    errors.push(
      await work.then(
        () => null,
        (error) => error,
      ),
    );

  const { email, password, session, me } = await register(fixture);
  const key = await all.keys.create({ name: "k" }, me);
  const { code } = await all.createSignInCode();
  const idempotencyKey = "canary-idempotency-key";
  const refreshed = await refresh(fixture, session.refresh_token, idempotencyKey);
  for (const pair of [session, refreshed.session])
    canaries.add(pair.access_token).add(pair.refresh_token as string);
  const keySecret = key.secret.slice(key.prefix.length + 1);
  for (const text of [password, key.secret, keySecret, code, idempotencyKey]) canaries.add(text);
  for (const text of [...canaries])
    if (text.split(".").length === 3) canaries.add(text.split(".")[2] as string);

  const wrong = "canary wrong password";
  canaries.add(wrong);
  await fails(all.sessions.create({ email, password: wrong }, anyone()));
  await fails(all.users.create({ email, password: wrong }, anyone()));
  await fails(all.users.update({ password: wrong, current_password: wrong }, me));
  for (const text of canaries) {
    await fails(all.sessions.create({ code: `${text}x` }, anyone()));
    await fails(all.sessions.refresh({ refresh_token: `${text}x` }, anyone()));
    await fails(all.authenticate(bearer(`${text}x`)));
    await fails(all.authenticate({ apiKey: text, authorization: `Bearer ${text}` }));
  }
  await fails(all.keys.create({ name: "k" }, { ...as(me.principal), newId: () => key.id }));

  const files = readdirSync(fixture.dir).map((name) => readFileSync(join(fixture.dir, name)));
  expect(Buffer.concat(files).includes(key.id)).toBe(true);
  expect(errors).not.toContain(null);
  const said = errors.map((error) => `${inspect(error, { depth: 9 })}${JSON.stringify(error)}`).join("\n");
  for (const canary of canaries) {
    expect(
      files.some((bytes) => bytes.includes(canary)),
      `stored: ${canary}`,
    ).toBe(false);
    expect(said.includes(canary), `said: ${canary}`).toBe(false);
  }
});
