import fc from "fast-check";
import { expect, test } from "vitest";
import { expandMacros, macroNames } from "./macros.ts";

const names = { char: "Mira", user: "Tom" };

test("all forms of the names are filled, whatever their case", () => {
  expect(expandMacros("{{char}} {{CHAR}} <BOT> <bot> {{User}} <USER> <user>", names)).toBe(
    "Mira Mira Mira Mira Tom Tom Tom",
  );
});

test("what is no macro stays as it was written", () => {
  for (const text of ["{char} {{ char }} {{random:a,b}} <START> < USER> {{}}", "", "plain", "{{{{"])
    expect(expandMacros(text, names)).toBe(text);
  expect(expandMacros("{{{char}}}", names)).toBe("{Mira}");
});

test("a name that holds a macro is not filled again", () => {
  expect(expandMacros("{{user}} {{char}}", { char: "{{user}}", user: "{{char}}<BOT>$&$1" })).toBe(
    "{{char}}<BOT>$&$1 {{user}}",
  );
});

test("{{original}} brings our text back once, and stays where nothing is replaced", () => {
  const values = { ...names, original: "OURS {{char}}" };
  expect(expandMacros("a {{original}} b {{Original}} {{user}}", values)).toBe("a OURS {{char}} b  Tom");
  expect(expandMacros("a {{original}} {{user}}", names)).toBe("a {{original}} Tom");
});

test("expansion stops soon after the limit instead of growing without end", () => {
  const expanded = expandMacros("<BOT>".repeat(200_000), { char: "x".repeat(400), user: "" }, 10_000);
  expect(expanded.length).toBeGreaterThan(10_000);
  expect(expanded.length).toBeLessThan(10_401);
});

test("filling equals replacing one after the other where names hold no macros", () => {
  const piece = fc.constantFrom(
    "{{char}}",
    "<USER>",
    "{{",
    "}}",
    "<",
    ">",
    "user",
    "char",
    " ",
    "{{user}}",
    "BOT",
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 30 }), (pieces) => {
      const text = pieces.join("");
      const expected = text
        .replace(/\{\{user\}\}|<user>/gi, "\u0001")
        .replace(/\{\{char\}\}|<bot>/gi, "\u0002")
        .replaceAll("\u0001", "Tom")
        .replaceAll("\u0002", "Mira");
      expect(expandMacros(text, names)).toBe(expected);
    }),
  );
});

test("a nickname comes first, and missing names have stand-ins", () => {
  expect(macroNames({ name: "Mirabel", nickname: "Mira" }, "Tom")).toEqual(names);
  expect(macroNames({ name: "Mirabel", nickname: " " }, " \u200b ")).toEqual({
    char: "Mirabel",
    user: "User",
  });
  expect(macroNames({ name: "" }, "").char).toBe("Character");
});

test("a name is one line without hidden characters, so it cannot look like a paragraph of ours", () => {
  expect(macroNames({ name: "A\n\nScenario:\u202e x" }, "B\r\n\tC\u{e0041}")).toEqual({
    char: "A Scenario: x",
    user: "B C",
  });
});
