import { expect, test } from "vitest";
import { titleFrom } from "./title.ts";

test("a short message is the title as it is, in one line and without marks", () => {
  expect(titleFrom("  *Waves.* **Hello**\n# there, `you` _two_ of map_rooms ")).toBe(
    "Waves. Hello there, you two of map_rooms",
  );
  expect(titleFrom("What is 6*7 in C#? *waves*")).toBe("What is 6*7 in C#? waves");
  expect(titleFrom("***")).toBe("***");
});

test("a long message is cut between two words, and says so", () => {
  expect(titleFrom("I walked along the harbour all night, and nobody could tell me where")).toBe(
    "I walked along the harbour all night, and nobody could tell…",
  );
  expect(titleFrom("I walked along the harbour for the whole of last night, unseen by all")).toBe(
    "I walked along the harbour for the whole of last night…",
  );
});

test("what has no spaces is cut between two characters", () => {
  expect(titleFrom("海".repeat(80))).toBe(`${"海".repeat(59)}…`);
  expect(titleFrom(`${"👋".repeat(80)}`)).toBe(`${"👋".repeat(59)}…`);
});
