import { Problem } from "@parley-chat/sdk/contract/problem";
import { expect, test } from "vitest";
import { greetingOf } from "./greeting.ts";

const character = {
  name: "Mira",
  first_mes: "Hello {{user}}, I am {{char}}.",
  alternate_greetings: ["", "<USER>! You came."],
};
const problemOf = (run: () => unknown): Problem => {
  try {
    run();
  } catch (error) {
    if (error instanceof Problem) return error;
  }
  throw new Error("no problem was thrown");
};

test("the greeting is first_mes or the alternate asked for, macros filled", () => {
  expect(greetingOf(character, 0, "Tom")).toBe("Hello Tom, I am Mira.");
  expect(greetingOf(character, 2, "Tom")).toBe("Tom! You came.");
  expect(greetingOf({ ...character, nickname: "Mi" }, 0, "")).toBe("Hello User, I am Mi.");
});

test("a blank greeting makes no message", () => {
  expect(greetingOf(character, 1, "Tom")).toBeNull();
  expect(greetingOf({ ...character, first_mes: " \n\u200b" }, 0, "Tom")).toBeNull();
});

test("an index without a greeting is refused by its path", () => {
  for (const index of [3, 1_000, -1, 0.5]) {
    const problem = problemOf(() => greetingOf(character, index, "Tom"));
    expect(problem.code).toBe("validation_failed");
    expect(problem.errors).toEqual([{ path: "greeting_index", message: "must be from 0 to 2" }]);
  }
});

test("a greeting longer than any message may be is refused, also when only its names make it so", () => {
  const long = { ...character, first_mes: "😀".repeat(50_000) };
  expect(greetingOf(long, 0, "Tom")).toBe(long.first_mes);
  for (const first_mes of [`${long.first_mes}a`, "{{user}}".repeat(100_000)])
    expect(problemOf(() => greetingOf({ ...character, first_mes }, 0, "Tom")).code).toBe("message_too_long");
});
