import { nearest } from "../kit/nearest.ts";

/** A value that a setting does not take: the rest of a sentence that begins with the setting's name. */
export class BadValue extends Error {}

/** One setting of the server. `about` is one sentence; a unit stands last in the name. */
export interface Setting<T> {
  readonly name: string;
  /** For the reference: `whole number`, `text`, `development or production`, … */
  readonly type: string;
  readonly about: string;
  /** As it would be written in `.env`; absent where `unset` says what an absent one means. */
  readonly default?: string;
  /** What an absent setting without a default means, for the reference. */
  readonly unset?: string;
  readonly isSecret: boolean;
  /** Throws `BadValue`. */
  parse(text: string): T;
}

/** A setting that always has a value. */
export type Defaulted<T> = Setting<T> & { readonly default: string };

interface Options {
  about: string;
  unset?: string;
  isSecret?: boolean;
}

type Make<T, O> = O extends { default: unknown } ? Defaulted<T> : Setting<T>;

function make<T, O extends Options & { default?: string }>(
  name: string,
  options: O,
  type: string,
  parse: (text: string) => T,
): Make<T, O> {
  const { about, unset, isSecret = false } = options;
  const setting: Setting<T> = {
    name,
    type,
    about,
    isSecret,
    ...(options.default !== undefined && { default: options.default }),
    ...(unset !== undefined && { unset }),
    parse,
  };
  return setting as Make<T, O>;
}

interface TextBounds {
  default?: string;
  lengthMin?: number;
  /** What it must look like, and how to say so. */
  pattern?: readonly [RegExp, string];
}

export function text<const O extends Options & TextBounds>(name: string, options: O): Make<string, O> {
  const { lengthMin = 0, pattern } = options;
  return make<string, O>(name, options, "text", (value) => {
    if ([...value].length < lengthMin) throw new BadValue(`needs ${lengthMin} characters or more`);
    if (pattern && !pattern[0].test(value)) throw new BadValue(`must be ${pattern[1]}`);
    return value;
  });
}

export function integer<const O extends Options & { default?: string; min: number; max: number }>(
  name: string,
  options: O,
): Make<number, O> {
  const { min, max } = options;
  const range = `whole number from ${count(min)} to ${count(max)}`;
  return make<number, O>(name, options, range, (value) => {
    const number = /^\d{1,15}$/.test(value) ? Number(value) : Number.NaN;
    if (number >= min && number <= max) return number;
    throw new BadValue(`must be a ${range}`);
  });
}

export function choice<const V extends readonly string[], const O extends Options & { default?: V[number] }>(
  name: string,
  values: V,
  options: O,
): Make<V[number], O> {
  const allowed = `${values.slice(0, -1).join(", ")} or ${values.at(-1)}`;
  return make<V[number], O>(name, options, allowed, (value) => {
    if (values.includes(value)) return value;
    const meant = nearest(value, values);
    throw new BadValue(`must be ${allowed}${meant ? ` (did you mean ${meant}?)` : ""}`);
  });
}

export function url<const O extends Options & { default?: string }>(
  name: string,
  options: O,
): Make<string, O> {
  return make<string, O>(name, options, "http or https address", (value) => {
    const parsed = URL.canParse(value) ? new URL(value) : undefined;
    if (!parsed || !/^https?:$/.test(parsed.protocol) || parsed.search || parsed.hash) {
      throw new BadValue("must be an http or https address, such as http://localhost:1234");
    }
    return value.replace(/\/+$/, "");
  });
}

/** A list separated by commas; each entry is checked by `isEntry`. */
export function list<const O extends Options & { entry: string; isEntry(value: string): boolean }>(
  name: string,
  options: O,
): Defaulted<readonly string[]> {
  return make(name, { ...options, default: "" }, `${options.entry}, separated by commas`, (value) => {
    const entries = value.split(",").map((entry) => entry.trim());
    for (const entry of entries) {
      if (!options.isEntry(entry)) throw new BadValue(`must be ${options.entry}, separated by commas`);
    }
    return Object.freeze(entries);
  });
}

/** Digits in groups of three; by hand, for loading the tables of languages would slow every start. */
const count = (n: number) => (n < 100_000 ? String(n) : String(n).replace(/\B(?=(\d{3})+$)/g, ","));
