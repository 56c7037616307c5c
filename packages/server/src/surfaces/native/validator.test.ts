import { contract, type FieldError, Problem, type TSchema } from "@parley-chat/sdk/contract";
import { expect, test } from "vitest";
import { lazyValidator, readQuery } from "./validator.ts";

function errorsOf(schema: TSchema, value: unknown): FieldError[] {
  try {
    lazyValidator(schema)(value);
  } catch (error) {
    expect(error).toBeInstanceOf(Problem);
    expect((error as Problem).code).toBe("validation_failed");
    return (error as Problem).errors ?? [];
  }
  return [];
}

const send = contract.messages.send.body as TSchema;

test("an unknown field is named with the nearest known one", () => {
  expect(errorsOf(send, { content: "a", clientMessageId: "x" })).toEqual([
    { path: "clientMessageId", message: "is not a known field; did you mean client_message_id?" },
  ]);
});

test("a time is a day that there is, in a year of four digits", () => {
  const body = contract.keys.create.body as TSchema;
  const isTaken = (expires_at: string) => errorsOf(body, { name: "k", expires_at }).length === 0;
  for (const good of ["2027-01-01T00:00:00Z", "2028-02-29t23:59:59.5+14:00", "9999-12-31T23:59:59.999Z"]) {
    expect([good, isTaken(good)]).toEqual([good, true]);
  }
  for (const bad of [
    "2030-02-30T00:00:00Z",
    "2027-02-29T00:00:00Z",
    "9999-12-31T23:59:59-23:59",
    "2027-01-01",
  ]) {
    expect([bad, isTaken(bad)]).toEqual([bad, false]);
  }
});

test("no type is coerced, and every misfit is told with its path", () => {
  const errors = errorsOf(send, { content: 7, reply: "true" });
  expect(errors).toContainEqual({ path: "content", message: "must be a string" });
  expect(errors).toContainEqual({ path: "reply", message: "must be a boolean" });
  expect(errorsOf(send, {})).toEqual([{ path: "content", message: "is missing" }]);
  expect(errorsOf(send, "text")[0]?.message).toBe("must be an object");
});

test("a text of the wrong form is told which form it should have", () => {
  expect(errorsOf(contract.users.create.body as TSchema, { email: "ann", password: "long enough" })).toEqual([
    { path: "email", message: "must be an e-mail address" },
  ]);
});

test("of several bodies the one that was meant is checked, so the error speaks of it", () => {
  const session = contract.sessions.create.body as TSchema;
  expect(errorsOf(session, { email: "a@b", password: 7 })).toEqual([
    { path: "password", message: "must be a string" },
  ]);
  expect(errorsOf(session, { code: "" })[0]?.path).toBe("code");
  const create = contract.characters.create.body as TSchema;
  expect(errorsOf(create, { name: "Ada", descripton: "x" })).toEqual([
    { path: "descripton", message: "is not a known field; did you mean description?" },
  ]);
  expect(
    errorsOf(create, { spec: "chara_card_v2", spec_version: "2.0", data: { name: "Ada", odd: 1 }, odd: 2 }),
  ).toEqual([]);
});

test("lengths count Unicode code points", () => {
  const create = contract.characters.create.body as TSchema;
  expect(errorsOf(create, { name: "😀".repeat(200) })).toEqual([]);
  expect(errorsOf(create, { name: "😀".repeat(201) })[0]?.path).toBe("name");
});

test("numbers of a query are read, what is no number stays for the validator to refuse", () => {
  const query = contract.messages.list.query as TSchema;
  expect(readQuery({ limit: "7" }, query)).toEqual({ limit: 7 });
  expect(errorsOf(query, readQuery({ limit: "0" }, query))[0]?.path).toBe("limit");
  expect(errorsOf(query, readQuery({ limit: "201" }, query))[0]?.path).toBe("limit");
  expect(errorsOf(query, readQuery({ limit: "ten" }, query))[0]?.path).toBe("limit");
  expect(errorsOf(query, readQuery({ limt: "5" }, query))).toEqual([
    { path: "limt", message: "is not a known field; did you mean limit?" },
  ]);
});
