import type { FieldError, TSchema } from "@parley-chat/sdk/contract";
import { Problem } from "@parley-chat/sdk/contract/problem";
import { Ajv, type ErrorObject, type ValidateFunction } from "ajv";
import { isId } from "../../kit/ids.ts";
import { nearest } from "../../kit/nearest.ts";

const ERRORS_MAX = 20;
const RFC3339 = /^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)$/;

/** A day that its month has, in the years that RFC 3339 can write in UTC. */
function isTime(text: string): boolean {
  const at = new Date(text);
  if (!RFC3339.test(text) || Number.isNaN(at.getTime()) || at.toISOString().length !== 24) return false;
  const day = text.slice(0, 10);
  return new Date(`${day}T00:00:00Z`).toISOString().startsWith(day);
}

/** Beyond this size of a body only its first misfit is told: a list of a million would make a million errors. */
const ALL_ERRORS_UNITS_MAX = 64 * 1024;

const options = {
  strict: false,
  // The schemas are ours: checked by their own tests, not by some 20 ms of each start.
  meta: false,
  validateSchema: false,
  // To shorten what it writes takes longer than its checks will ever save.
  code: { optimize: false },
  // An unknown field inside an object is told with the names of that object.
  verbose: true,
  formats: {
    uuid: isId,
    "date-time": isTime,
  },
};
const firstMisfit = new Ajv(options);
let everyMisfit: Ajv | undefined;

/** Checks a value against a schema of the contract; throws `validation_failed` with every misfit. */
export type Validator = (value: unknown) => void;

interface ObjectSchema {
  properties?: Record<string, unknown>;
  anyOf?: ObjectSchema[];
}

/** A validator that compiles when it is first used, so that start-up pays for no schema. */
export function lazyValidator(schema: TSchema): Validator {
  let check: Validator | null = null;
  return (value) => {
    check ??= compile(schema);
    check(value);
  };
}

function compile(schema: TSchema): Validator {
  const branches = (schema as ObjectSchema).anyOf;
  if (branches?.every((branch) => branch.properties)) return oneOfSeveral(branches);
  const validate = firstMisfit.compile(schema);
  const names = propertyNames(schema as ObjectSchema);
  return (value) => {
    if (validate(value)) return;
    const isSmall = (JSON.stringify(value) ?? "").length <= ALL_ERRORS_UNITS_MAX;
    everyMisfit ??= new Ajv({ ...options, allErrors: true });
    const teller = isSmall ? everyMisfit.compile(schema) : validate;
    if (isSmall) teller(value);
    throw misfit(teller, names);
  };
}

/**
 * Of several bodies any may come. Where none fits, the misfits are told of the one that was meant: the
 * one of whose own fields, those that no other body has, the largest part was given.
 */
function oneOfSeveral(branches: ObjectSchema[]): Validator {
  const fits = branches.map((branch) => firstMisfit.compile(branch));
  const validators = branches.map((branch) => compile(branch as TSchema));
  const ownNames = branches.map((branch) =>
    propertyNames(branch).filter((name) =>
      branches.every((other) => other === branch || !propertyNames(other).includes(name)),
    ),
  );
  return (value) => {
    if (fits.some((isFit) => isFit(value))) return;
    const given = typeof value === "object" && value !== null ? Object.keys(value) : [];
    const scores = ownNames.map(
      (names) => given.filter((name) => names.includes(name)).length / Math.max(1, names.length),
    );
    const best = scores.indexOf(Math.max(...scores));
    (validators[best] as Validator)(value);
  };
}

const propertyNames = (schema: ObjectSchema): string[] => Object.keys(schema.properties ?? {});

function misfit(validate: ValidateFunction, names: string[]): Problem {
  // A mistyped name says more than that the right one is missing.
  const isUnknown = ({ keyword }: ErrorObject) => Number(keyword === "additionalProperties");
  const found = (validate.errors ?? []).toSorted((a, b) => isUnknown(b) - isUnknown(a));
  const errors = found.slice(0, ERRORS_MAX).map((error) => fieldError(error, names));
  const first = errors[0];
  const sentence = first && `${first.path === "" ? "The body" : first.path} ${first.message}`;
  const detail = sentence?.endsWith("?") ? sentence : sentence && `${sentence}.`;
  return new Problem("validation_failed", detail, { errors });
}

function fieldError(error: ErrorObject, names: string[]): FieldError {
  const path = error.instancePath.slice(1).replaceAll("/", ".").replaceAll("~1", "/").replaceAll("~0", "~");
  const inside = (name: string) => (path === "" ? name : `${path}.${name}`);
  switch (error.keyword) {
    case "additionalProperties": {
      const unknown = String(error.params.additionalProperty).slice(0, 100);
      const known = error.parentSchema?.properties ? Object.keys(error.parentSchema.properties) : names;
      const near = nearest(unknown, known);
      return {
        path: inside(unknown),
        message: `is not a known field${near ? `; did you mean ${near}?` : ""}`,
      };
    }
    case "required":
      return { path: inside(String(error.params.missingProperty)), message: "is missing" };
    case "type":
      return { path, message: `must be ${article(String(error.params.type))}` };
    case "enum":
      return { path, message: `must be one of ${(error.params.allowedValues as unknown[]).join(", ")}` };
    case "minLength":
      return { path, message: `must have at least ${counted(error.params.limit, "character")}` };
    case "maxLength":
      return { path, message: `may have at most ${counted(error.params.limit, "character")}` };
    case "minItems":
      return { path, message: `must have at least ${counted(error.params.limit, "item")}` };
    case "maxItems":
      return { path, message: `may have at most ${counted(error.params.limit, "item")}` };
    case "minimum":
      return { path, message: `must be ${error.params.limit} or more` };
    case "maximum":
      return { path, message: `must be ${error.params.limit} or less` };
    case "format":
      return {
        path,
        message: `must be a ${error.params.format === "date-time" ? "time as RFC 3339" : "UUID"}`,
      };
    case "pattern":
      return {
        path,
        message: `must be ${error.parentSchema?.description ?? `of the form ${error.params.pattern}`}`,
      };
    default:
      return { path, message: error.message ?? "does not fit" };
  }
}

const counted = (n: number, what: string) => `${n} ${what}${n === 1 ? "" : "s"}`;

const article = (type: string) => (/^[aeio]/.test(type) ? `an ${type}` : `a ${type}`);

const INTEGER = /^-?\d{1,15}$/;

/**
 * Query parameters come as text; those that the schema calls numbers are read as such. What does not
 * read as a number stays text, for the validator to refuse.
 */
export function readQuery(query: Record<string, unknown>, schema: TSchema): Record<string, unknown> {
  const properties = (schema as ObjectSchema).properties as Record<string, { type?: string }>;
  const read: Record<string, unknown> = Object.create(null);
  for (const [name, value] of Object.entries(query)) {
    const isNumber = properties[name]?.type === "integer";
    read[name] = isNumber && typeof value === "string" && INTEGER.test(value) ? Number(value) : value;
  }
  return read;
}
