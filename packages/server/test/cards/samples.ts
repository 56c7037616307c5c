/** Cards as each of the three specifications has them, with fields that only others know. */
export const v1 = {
  name: "Mira Ƶ",
  description: "Keeps bees. 🐝",
  personality: "calm",
  scenario: "A garden.",
  first_mes: "Hello, {{user}}.",
  mes_example: "<START>\n{{user}}: Hi\n{{char}}: Hm.",
};
export const v2 = {
  spec: "chara_card_v2",
  spec_version: "2.0",
  name: v1.name,
  create_date: "2023-11-1",
  data: {
    ...v1,
    creator_notes: "For people.",
    system_prompt: "Be {{char}}. {{original}}",
    post_history_instructions: "Stay brief.",
    alternate_greetings: ["You again.", ""],
    tags: ["bees", "Slow"],
    creator: "someone",
    character_version: "1.1",
    extensions: {
      talkativeness: "0.5",
      depth_prompt: { depth: 4, prompt: "", role: "system" },
      x: [null, 1.5],
    },
    pronouns: "she/her",
    character_book: {
      name: "Garden",
      extensions: { own: true },
      recursive_scanning: false,
      entries: [
        {
          keys: ["hive", "Bee"],
          content: "There are eleven hives.",
          extensions: { position: 4, depth: 2, probability: 100 },
          enabled: true,
          insertion_order: 100,
          own_field: { deep: [[]] },
        },
      ],
    },
  },
};
export const v3 = {
  ...v2,
  spec: "chara_card_v3",
  spec_version: "3.0",
  data: {
    ...v2.data,
    nickname: "Mi",
    assets: [{ type: "icon", uri: "ccdefault:", name: "main", ext: "png" }],
    creator_notes_multilingual: { de: "Für Leute." },
    source: ["https://example.org/mira"],
    group_only_greetings: ["All of you!"],
    creation_date: 1_700_000_000,
    modification_date: 1_700_000_001,
    character_book: {
      ...v2.data.character_book,
      entries: [
        { ...v2.data.character_book.entries[0], content: "@@depth 3\nOld hives.", use_regex: false, id: "a" },
      ],
    },
  },
};
