import { isDeepStrictEqual } from "node:util";
import {
  type CardChanges,
  CHARACTER_BYTES_MAX,
  type Character,
  type characters,
  type Input,
  v3FieldNames,
} from "@parley-chat/sdk/contract";
import { type FieldError, Problem } from "@parley-chat/sdk/contract/problem";
import { excessOf, jsonMost, scanJson } from "../../kit/json-scan.ts";
import { isBlank } from "../../kit/text.ts";
import { fieldShapes, firstMisfit, fitting } from "./card-shape.ts";
import { firstUnsafe } from "./json-safety.ts";

/**
 * A character's card as it came: `data` with what it knows and what only others know, and what stood
 * around it in the file. The envelope of a character that was made here, from fields, is empty.
 */
export interface Card {
  readonly data: Json & { readonly name: string };
  readonly envelope: Json;
}

type OwnFields = Pick<
  Character,
  "id" | "version" | "owner_id" | "visibility" | "avatar_url" | "created_at" | "updated_at"
>;
type CardFields = Omit<Character, keyof OwnFields>;

export type Json = Record<string, unknown>;

const ownNames: ReadonlySet<string> = new Set<keyof OwnFields>([
  "id",
  "version",
  "owner_id",
  "visibility",
  "avatar_url",
  "created_at",
  "updated_at",
]);
export const optionalNames: ReadonlySet<string> = new Set(["character_book", ...v3FieldNames]);
export const specVersions: Readonly<Record<string, string>> = { chara_card_v2: "2.0", chara_card_v3: "3.0" };

const ERRORS_MAX = 20;
const PATH_UNITS_MAX = 200;
const NAME_CHARACTERS_MAX = fieldShapes.name?.maxLength ?? 200;

const defaults = (): Omit<CardFields, "name"> => ({
  description: "",
  personality: "",
  scenario: "",
  first_mes: "",
  mes_example: "",
  creator_notes: "",
  system_prompt: "",
  post_history_instructions: "",
  alternate_greetings: [],
  tags: [],
  creator: "",
  character_version: "",
  extensions: {},
});

/**
 * Reads what a character is made of: card fields, which the contract has checked, or a whole card.
 * @throws `validation_failed` for card fields, `invalid_card` for a whole card
 */
export function readCard(input: Input<typeof characters.create>): Card {
  if (!("data" in input)) {
    const { visibility: _, ...data } = input;
    checkFields(data);
    return { data, envelope: {} };
  }
  const { data, visibility: _, ...envelope } = input;
  const errors = [...misfitsOf(envelope, data)];
  if (errors.length > 0) throw invalidCard(errors);
  return { data, envelope };
}

/**
 * The card with changes, or null where they change nothing. A field that an older format repeats
 * beside `data` follows, so that no reader of the file sees two cards.
 * @throws `validation_failed`, `payload_too_large`
 */
export function changeCard(card: Card, changes: Omit<CardChanges, "visibility">): Card | null {
  checkFields(changes);
  const before: Json = fieldsOf(card);
  const changed = Object.entries(changes).filter(([name, value]) => !isDeepStrictEqual(before[name], value));
  if (changed.length === 0) return null;
  const repeated = changed.filter(([name]) => Object.hasOwn(card.envelope, name));
  const next = {
    data: { ...card.data, ...Object.fromEntries(changed) },
    envelope: { ...card.envelope, ...Object.fromEntries(repeated) },
  };
  checkSize(next);
  return next;
}

/** What was stored must be taken again as a file. */
function checkSize(card: Card): void {
  const bytes = Buffer.from(JSON.stringify(card));
  const isTooLarge = bytes.length > CHARACTER_BYTES_MAX;
  if (isTooLarge) {
    const detail = `With this change the card has more than ${CHARACTER_BYTES_MAX} bytes.`;
    throw new Problem("payload_too_large", detail);
  }
  const excess = excessOf(scanJson(bytes, jsonMost));
  if (excess) throw new Problem("validation_failed", `With this change the card ${excess}.`);
}

/**
 * The card's fields as the API shows them: what is missing takes its default, what is unknown stays. Of
 * a field of an imported file that is not as the contract has it, as much as is; the rest is in the
 * exported file only.
 */
export function fieldsOf(card: Card): CardFields {
  const shown: [string, unknown][] = [];
  const mandatory = mandatoryOf(card);
  for (const [name, value] of Object.entries({ ...mandatory, ...card.data })) {
    // A name that is ours means something else in a card.
    if (ownNames.has(name)) continue;
    const shape = Object.hasOwn(fieldShapes, name) ? fieldShapes[name] : undefined;
    const shownValue = shape ? fitting(shape, value) : value;
    if (shownValue !== undefined) shown.push([name, shownValue]);
    else if (Object.hasOwn(mandatory, name)) shown.push([name, mandatory[name]]);
  }
  return Object.fromEntries(shown) as CardFields;
}

/**
 * The specification in which a card leaves: the one it came in; for a character that was made here V3
 * if it has V3 fields, else V2.
 */
export function specOf(card: Card): { spec: string; spec_version: string } {
  const { spec, spec_version } = card.envelope;
  if (typeof spec === "string") {
    return {
      spec,
      spec_version: typeof spec_version === "string" ? spec_version : (specVersions[spec] ?? "2.0"),
    };
  }
  const isV3 = v3FieldNames.some((name) => Object.hasOwn(card.data, name));
  return isV3
    ? { spec: "chara_card_v3", spec_version: "3.0" }
    : { spec: "chara_card_v2", spec_version: "2.0" };
}

/** The whole card as a file holds it, with every field that its specification asks for. */
export function fileOf(card: Card): Json {
  return { ...card.envelope, ...specOf(card), data: { ...mandatoryOf(card), ...card.data } };
}

/** The fields that a card of its specification always has. */
const mandatoryOf = (card: Card): Json =>
  specOf(card).spec === "chara_card_v2" ? defaults() : { ...defaults(), group_only_greetings: [] };

function checkFields(fields: Json): void {
  const unsafe = firstUnsafe(fields);
  if (unsafe) throw Problem.invalid(short(unsafe.path), unsafe.message);
  const name = fields.name;
  if (typeof name === "string" && isBlank(name)) throw Problem.invalid("name", "must not be blank");
}

function* misfitsOf(envelope: Json, data: Json): Generator<FieldError> {
  const unsafe = firstUnsafe(envelope) ?? firstUnsafe(data, "data");
  if (unsafe) yield unsafe;
  if (!Object.hasOwn(specVersions, String(envelope.spec))) {
    yield { path: "spec", message: `must be ${Object.keys(specVersions).join(" or ")}` };
  }
  const { name } = data;
  if (typeof name !== "string" || isBlank(name)) {
    yield { path: "data.name", message: `must be text of 1 to ${NAME_CHARACTERS_MAX} characters, not blank` };
  }
  for (const [field, shape] of Object.entries(fieldShapes)) {
    const value = Object.hasOwn(data, field) ? data[field] : undefined;
    const isAbsent = value === undefined || (value === null && optionalNames.has(field));
    const misfit =
      isAbsent || (field === "name" && typeof name !== "string")
        ? null
        : firstMisfit(shape, value, `data.${field}`);
    if (misfit) yield misfit;
  }
}

export function invalidCard(errors: FieldError[]): Problem {
  const shown = errors.slice(0, ERRORS_MAX).map(({ path, message }) => ({ path: short(path), message }));
  return new Problem("invalid_card", `${shown[0]?.path} ${shown[0]?.message}.`, { errors: shown });
}

/** Names of fields come from the file and may be of any length. */
const short = (path: string): string => path.slice(0, PATH_UNITS_MAX).toWellFormed();
