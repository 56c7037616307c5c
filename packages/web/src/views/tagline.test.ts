import type { Character } from "@parley-chat/sdk";
import { expect, test } from "vitest";
import { taglineOf } from "./tagline.ts";

const tagline = (creator_notes: string, description = "") =>
  taglineOf({ name: "Mi$&rela", creator_notes, description } as Character);

test.each([
  [
    "HTML",
    '<div class="a"><p><b>Maps</b> and small mysteries.</p><p>More.</p></div>',
    "Maps and small mysteries.",
  ],
  ["a style sheet", "<style>p { color: red }</style>\n<!-- made with love -->Maps.", "Maps."],
  ["links", "By [someone](https://example.org/a_b), for [you](https://example.org).", "By someone, for you."],
  ["a picture", "![banner](https://example.org/b.png)\n\nMaps.", "Maps."],
  ["headings, quotes and rules", "***\n> ## **Maps** & `ink`", "Maps & ink"],
  ["emphasis", "_Maps_ of map_rooms, C# > B#", "Maps of map_rooms, C# > B#"],
  ["signs that are no tags", "I <3 maps > all", "I <3 maps > all"],
  ["the name's place", "{{char}} draws maps.", "Mi$&rela draws maps."],
])("a tagline is words alone: %s", (_, notes, expected) => expect(tagline(notes)).toBe(expected));

test("where the note says nothing, the description does", () => {
  expect(tagline("", "A cartographer.\nOld.")).toBe("A cartographer.");
  expect(tagline('<img src="https://example.org/b.png">', "A cartographer.")).toBe("A cartographer.");
  expect(tagline("")).toBe("");
});
