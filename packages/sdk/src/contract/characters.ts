import * as Type from "typebox";
import { defineRoutes } from "./route.ts";
import { Cursor, closed, Limit, listOf, nullable, oneOf, type Static, Time, Uuid } from "./schema.ts";

export const CHARACTER_BYTES_MAX = 16 * 1024 * 1024;

const Text = Type.String({ maxLength: 1_000_000 });
const Extensions = Type.Record(Type.String(), Type.Unknown());

const LoreEntry = Type.Object(
  { keys: Type.Array(Type.String()), content: Type.String() },
  { additionalProperties: true, title: "LoreEntry" },
);

const CharacterBook = Type.Object(
  { entries: Type.Array(LoreEntry) },
  { additionalProperties: true, title: "CharacterBook" },
);

/** The fields of a card's `data` that V1 and V2 know. */
const v2Fields = {
  description: Text,
  personality: Text,
  scenario: Text,
  first_mes: Text,
  mes_example: Text,
  creator_notes: Text,
  system_prompt: Text,
  post_history_instructions: Text,
  alternate_greetings: Type.Array(Text, { maxItems: 1_000 }),
  character_book: CharacterBook,
  tags: Type.Array(Type.String({ maxLength: 200 }), { maxItems: 1_000 }),
  creator: Type.String({ maxLength: 10_000 }),
  character_version: Type.String({ maxLength: 1_000 }),
  extensions: Extensions,
};

/** What V3 adds. A character made with one of these leaves as V3. */
const v3Fields = {
  assets: Type.Array(
    closed({ type: Type.String(), uri: Type.String(), name: Type.String(), ext: Type.String() }),
    { maxItems: 1_000 },
  ),
  nickname: Type.String({ maxLength: 200 }),
  creator_notes_multilingual: Type.Record(Type.String(), Type.String()),
  source: Type.Array(Type.String(), { maxItems: 1_000 }),
  group_only_greetings: Type.Array(Text, { maxItems: 1_000 }),
  creation_date: Type.Integer({ description: "Seconds since 1970." }),
  modification_date: Type.Integer({ description: "Seconds since 1970." }),
};

export const v3FieldNames = Object.keys(v3Fields);

const Name = Type.String({ minLength: 1, maxLength: 200 });
const Visibility = oneOf("private", "public");

const optionalCardFields = Type.Partial(Type.Object({ ...v2Fields, ...v3Fields })).properties;

/** Card fields at top level. */
const CardFields = closed(
  { name: Name, visibility: Type.Optional(Visibility), ...optionalCardFields },
  "CardFields",
);

/** A whole card as its file holds it; unknown fields are kept. */
const WholeCard = Type.Object(
  {
    spec: Type.String({ maxLength: 100 }),
    spec_version: Type.Optional(Type.String({ maxLength: 20 })),
    data: Type.Object({ name: Name }, { additionalProperties: true }),
    visibility: Type.Optional(Visibility),
  },
  { additionalProperties: true, title: "WholeCard" },
);

const CardChanges = closed(
  { name: Type.Optional(Name), visibility: Type.Optional(Visibility), ...optionalCardFields },
  "CardChanges",
);
export type CardChanges = Static<typeof CardChanges>;

/** A character: card fields at top level beside what Parley adds. Unknown card fields are kept. */
export const Character = Type.Object(
  {
    id: Uuid,
    version: Type.Integer({ minimum: 1 }),
    owner_id: nullable(Uuid),
    visibility: Visibility,
    avatar_url: nullable(Type.String()),
    name: Type.String(),
    description: Type.String(),
    personality: Type.String(),
    scenario: Type.String(),
    first_mes: Type.String(),
    mes_example: Type.String(),
    creator_notes: Type.String(),
    system_prompt: Type.String(),
    post_history_instructions: Type.String(),
    alternate_greetings: Type.Array(Type.String()),
    character_book: Type.Optional(CharacterBook),
    tags: Type.Array(Type.String()),
    creator: Type.String(),
    character_version: Type.String(),
    extensions: Extensions,
    ...Type.Partial(Type.Object(v3Fields)).properties,
    created_at: Time,
    updated_at: Time,
  },
  { additionalProperties: true, title: "Character" },
);
export type Character = Static<typeof Character>;

/** What was found in an imported file beside the card. */
export const ImportReport = closed(
  {
    format: oneOf("chara_card_v1", "chara_card_v2", "chara_card_v3"),
    warnings: Type.Array(
      closed({
        code: Type.String({ description: "Stable, for programs." }),
        path: Type.String({ description: "Where in the file, dotted; empty for the whole of it." }),
        message: Type.String(),
      }),
    ),
  },
  "ImportReport",
);
export type ImportReport = Static<typeof ImportReport>;

export const characters = defineRoutes({
  create: {
    method: "POST",
    path: "/api/v2/characters",
    summary: "Create a character from card fields or a whole card",
    access: "characters",
    body: Type.Union([CardFields, WholeCard]),
    bodyBytesMax: CHARACTER_BYTES_MAX,
    answers: { 201: Character },
    problems: ["invalid_card"],
  },
  list: {
    method: "GET",
    path: "/api/v2/characters",
    summary: "My characters and the public ones, newest first",
    access: "signed_in",
    query: closed({
      q: Type.Optional(Type.String({ maxLength: 200, description: "Part of the name or description." })),
      tag: Type.Optional(Type.String({ maxLength: 200 })),
      cursor: Type.Optional(Cursor),
      limit: Type.Optional(Limit),
    }),
    answers: { 200: listOf(Character, "CharacterList") },
  },
  get: {
    method: "GET",
    path: "/api/v2/characters/{character_id}",
    summary: "One character, its newest or an older version",
    access: "signed_in",
    query: closed({ version: Type.Optional(Type.Integer({ minimum: 1 })) }),
    answers: { 200: Character },
  },
  update: {
    method: "PATCH",
    path: "/api/v2/characters/{character_id}",
    summary: "Replace whole fields; makes a version where something changed",
    access: "characters",
    body: CardChanges,
    bodyBytesMax: CHARACTER_BYTES_MAX,
    answers: { 200: Character },
    problems: ["not_owner", "version_conflict"],
  },
  import: {
    method: "POST",
    path: "/api/v2/characters/import",
    summary: "Make a character of a card file",
    details:
      "The body is the file: a picture with a card inside, or the card alone as JSON (V1, V2 or V3). What only other programs know of it is kept and exported; the report tells what was repaired or is not used.",
    access: "characters",
    fileTypes: ["image/png", "application/json"],
    limit: "imports",
    answers: { 201: closed({ character: Character, report: ImportReport }, "ImportedCharacter") },
    problems: ["invalid_card"],
  },
  export: {
    method: "GET",
    path: "/api/v2/characters/{character_id}/export",
    summary: "A character as a card file, in the specification it came in",
    access: "signed_in",
    query: closed({ format: Type.Optional(oneOf("json", "png")) }),
    answersFile: ["application/json", "image/png"],
    answers: { 200: null },
  },
  avatar: {
    method: "GET",
    path: "/api/v2/characters/{character_id}/avatar",
    summary: "The picture of a character, for whoever may see it",
    access: "signed_in",
    query: closed({
      size: Type.Optional(oneOf("full", "thumb")),
      v: Type.Optional(Type.String({ maxLength: 64, description: "As `avatar_url` has it, for caches." })),
    }),
    answersFile: ["image/png"],
    answers: { 200: null },
  },
  setAvatar: {
    method: "PUT",
    path: "/api/v2/characters/{character_id}/avatar",
    summary: "Give a character a picture, or another one",
    details:
      "The body is the picture. Only what is shown of it is kept. It belongs to all versions, so it makes none.",
    access: "characters",
    fileTypes: ["image/png"],
    limit: "imports",
    answers: { 200: Character },
    problems: ["not_owner"],
  },
  removeAvatar: {
    method: "DELETE",
    path: "/api/v2/characters/{character_id}/avatar",
    summary: "Take a character's picture away",
    access: "characters",
    answers: { 200: Character },
    problems: ["not_owner"],
  },
  remove: {
    method: "DELETE",
    path: "/api/v2/characters/{character_id}",
    summary: "Delete a character; its conversations stay readable",
    access: "characters",
    answers: { 204: null },
    problems: ["not_owner"],
  },
});
