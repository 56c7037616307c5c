import { expect, test } from "vitest";
import { type Command, helpOf, readArguments } from "./command.ts";

const run = () => 0;
const commands: Record<string, Command> = {
  start: { about: "", run },
  chat: { about: "", takes: "[character]", options: ["json", "message"], wordsMax: 1, run },
  "config check": { about: "", run },
  "config print": { about: "", run },
};
const read = (...args: string[]) => readArguments(args, commands).chosen;

test("a command gets its words and options, wherever they stand", () => {
  expect(read("chat", "Otto", "--json", "-m", "hi there")).toMatchObject({
    name: "chat",
    given: { words: ["Otto"], options: { json: true, message: "hi there" } },
  });
  expect(read("--json", "chat")?.given.options).toMatchObject({ json: true });
  expect(read("config", "check")?.name).toBe("config check");
  expect(read()).toBe(null);
  expect(read("chat", "--help")).toBe(null);
});

test("help about a command names what it takes", () => {
  expect(readArguments(["chat", "Otto", "--help"], commands).helpAbout).toBe("chat");
  expect(readArguments(["--help"], commands).helpAbout).toBe(null);
  expect(helpOf("chat", { ...(commands.chat as Command), about: "Talk" })).toBe(
    [
      "Usage: parley chat [character]",
      "",
      "Talk.",
      "",
      "      --json             Print JSON, for programs",
      "  -m, --message <text>   Say this, print the reply and leave",
      "  -h, --help             Show this",
      "",
    ].join("\n"),
  );
});

test("what a command does not take is refused, with the nearest there is", () => {
  for (const [args, sentence] of [
    [["start", "--json"], "`parley start` has no option --json"],
    [["start", "now"], '"now" is too much'],
    [["chat", "-m"], "-m needs a value"],
    [["chat", "--json=yes"], "--json takes no value"],
    [["chat", "--jsn"], "did you mean --json?"],
    [["chta", "Otto"], "did you mean `parley chat`?"],
    [["config", "chekc"], "did you mean `parley config check`?"],
    [["config"], "`parley config` needs check or print behind it."],
  ] as const) {
    expect(() => read(...args)).toThrow(sentence);
  }
});
