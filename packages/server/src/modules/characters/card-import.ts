import type { ImportReport } from "@parley-chat/sdk/contract";
import { v3FieldNames } from "@parley-chat/sdk/contract";
import { Problem } from "@parley-chat/sdk/contract/problem";
import { isBlank, isLongerThan } from "../../kit/text.ts";
import { type Card, type Json, optionalNames, specVersions } from "./card.ts";
import type { CardJson } from "./card-json.ts";
import { fieldShapes, misfits } from "./card-shape.ts";

export type Warning = ImportReport["warnings"][number];

export interface ReadCard {
  readonly card: Card;
  readonly format: ImportReport["format"];
  readonly warnings: readonly Warning[];
}

const WARNINGS_MAX = 50;
const NAME_CHARACTERS_MAX = fieldShapes.name?.maxLength ?? 200;
const TEXT_CHARACTERS_MAX = fieldShapes.description?.maxLength ?? 1_000_000;
/** Who has a name and one of these at top level, and says nothing of a specification, is V1. */
const V1_FIELDS = ["description", "personality", "scenario", "first_mes", "mes_example"];

const isObject = (value: unknown): value is Json =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/**
 * Reads a card as other programs write them. Only a card without a usable name, with a text beyond all
 * use, or that is none at all, is refused; a field that is not as the specification has it stays in the file and is not used, with a
 * warning. Throws `invalid_card`.
 */
export function interpretCard({ value, changedNumbers }: CardJson): ReadCard {
  if (!isObject(value)) throw noCard();
  const warnings: Warning[] = changedNumbers.map(numberChanged);
  const isV1 = value.spec === undefined && !isObject(value.data);
  const read = isV1 ? readV1(value, warnings) : readWhole(value, warnings);
  checkName(read.card.data.name);
  for (const [name, field] of Object.entries(read.card.data)) {
    const shape = Object.hasOwn(fieldShapes, name) ? fieldShapes[name] : undefined;
    if (!shape || (field === null && optionalNames.has(name))) continue;
    checkLength(name, field);
    for (const { path, message } of misfits(shape, field, `data.${name}`, WARNINGS_MAX - warnings.length)) {
      const told = `${message}; it stays in the file and is not used`;
      warnings.push({ code: "field_not_used", path: path.slice(0, 200).toWellFormed(), message: told });
    }
  }
  return { ...read, warnings: warnings.slice(0, WARNINGS_MAX) };
}

/** V1 has its fields at top level; it leaves as V2. What V2 does not know stays around `data`. */
function readV1(file: Json, warnings: Warning[]): Omit<ReadCard, "warnings"> {
  if (!V1_FIELDS.some((name) => Object.hasOwn(file, name))) throw noCard();
  const isOurs = (name: string) => Object.hasOwn(fieldShapes, name) && !v3FieldNames.includes(name);
  const data = Object.fromEntries(Object.entries(file).filter(([name]) => isOurs(name)));
  const around = Object.fromEntries(Object.entries(file).filter(([name]) => !isOurs(name)));
  for (const path of ["data", "spec_version"].filter((name) => Object.hasOwn(around, name))) {
    delete around[path];
    warnings.push({
      code: "field_not_kept",
      path,
      message: "means nothing in a card of V1 and was not kept",
    });
  }
  const spec = { spec: "chara_card_v2", spec_version: "2.0" };
  return { card: { data: data as Card["data"], envelope: { ...around, ...spec } }, format: "chara_card_v1" };
}

function readWhole(file: Json, warnings: Warning[]): Omit<ReadCard, "warnings"> {
  const { data, ...around } = file;
  const envelope = withKnownSpec(around, warnings);
  if (!isObject(data)) throw refuse("The card has no data: it is damaged, or no card.");
  const isV2 = envelope.spec === "chara_card_v2";
  const version = Number.parseFloat(String(envelope.spec_version));
  if (version > (isV2 ? 2 : 3)) {
    warnings.push({
      code: "newer_version",
      path: "spec_version",
      message: `is ${String(envelope.spec_version).slice(0, 20)}, newer than this server knows: all of it is kept, what is new in it is not used`,
    });
  }
  return { card: { data: data as Card["data"], envelope }, format: isV2 ? "chara_card_v2" : "chara_card_v3" };
}

/** What stands around `data`, with a specification that has a name and a version. */
function withKnownSpec(around: Json, warnings: Warning[]): Json {
  const { spec, spec_version } = around;
  if (spec === "lorebook_v3") throw refuse("This is a lorebook and not a character card.");
  if (spec !== undefined && !/^chara_card_v([2-9]|\d\d)$/.test(String(spec))) {
    throw refuse(
      `The card says that it is ${JSON.stringify(spec)?.slice(0, 60)}; chara_card_v2 and chara_card_v3 can be read.`,
    );
  }
  const repaired = (path: string, message: string) => warnings.push({ code: "repaired", path, message });
  if (spec === undefined) repaired("spec", "is missing; the card was read as chara_card_v2");
  const known = { ...around, spec: spec ?? "chara_card_v2" };
  if (typeof spec_version === "string") return known;
  const version = specVersions[String(known.spec)] ?? "3.0";
  repaired("spec_version", `must be text; it was set to ${version}`);
  return { ...known, spec_version: version };
}

function checkName(name: unknown): void {
  const isName = typeof name === "string" && !isBlank(name) && !isLongerThan(name, NAME_CHARACTERS_MAX);
  if (isName) return;
  throw new Problem(
    "invalid_card",
    `The card's name must be text of 1 to ${NAME_CHARACTERS_MAX} characters, not blank.`,
    { errors: [{ path: "data.name", message: `must be text of 1 to ${NAME_CHARACTERS_MAX} characters` }] },
  );
}

/** A text, or one of a list of texts, that could not be sent as a field either. */
function checkLength(name: string, field: unknown): void {
  const isTooLong = (text: unknown) => typeof text === "string" && isLongerThan(text, TEXT_CHARACTERS_MAX);
  if (!(Array.isArray(field) ? field.some(isTooLong) : isTooLong(field))) return;
  const message = `may have at most ${TEXT_CHARACTERS_MAX} characters`;
  throw new Problem("invalid_card", `The card's ${name} ${message}.`, {
    errors: [{ path: `data.${name}`, message }],
  });
}

const numberChanged = (written: string): Warning => ({
  code: "number_changed",
  path: "",
  message: `The number ${written.slice(0, 60)} is too large to be kept exactly; it is now ${Number(written)}.`,
});

const refuse = (sentence: string) => new Problem("invalid_card", sentence);
const noCard = () => refuse("The file holds no character card.");
