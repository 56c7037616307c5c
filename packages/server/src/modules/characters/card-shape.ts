import { characters } from "@parley-chat/sdk/contract";
import type { FieldError } from "@parley-chat/sdk/contract/problem";
import { isLongerThan } from "../../kit/text.ts";

/** As much of JSON Schema as the contract's card fields use. */
interface Shape {
  readonly type?: "string" | "array" | "object" | "integer";
  readonly maxLength?: number;
  readonly maxItems?: number;
  readonly items?: Shape;
  readonly required?: readonly string[];
  readonly properties?: Readonly<Record<string, Shape>>;
  readonly patternProperties?: Readonly<Record<string, Shape>>;
}

const { visibility: _, ...shapes } = characters.update.body.properties as unknown as Record<string, Shape>;

/** The shape of every field of a card's `data` that we know, by its name. */
export const fieldShapes: Readonly<Record<string, Shape>> = shapes;

/**
 * The first thing in a known field that does not have the type and limits of the contract, or null.
 * One at most for each field, so that a megabyte of wrong items makes one sentence. Fields that the
 * contract does not know are left alone at every depth: whole cards keep them.
 */
export function firstMisfit(shape: Shape, value: unknown, path: string): FieldError | null {
  switch (shape.type) {
    case "string":
      if (typeof value !== "string") return { path, message: "must be text" };
      return isLongerThan(value, shape.maxLength ?? Number.POSITIVE_INFINITY)
        ? { path, message: `may have at most ${shape.maxLength} characters` }
        : null;
    case "integer":
      return Number.isInteger(value) ? null : { path, message: "must be a whole number" };
    case "array":
      if (!Array.isArray(value)) return { path, message: "must be a list" };
      if (value.length > (shape.maxItems ?? Number.POSITIVE_INFINITY)) {
        return { path, message: `may have at most ${shape.maxItems} items` };
      }
      return first(value, (item, i) => shape.items && firstMisfit(shape.items, item, `${path}.${i}`));
    case "object":
      if (typeof value !== "object" || value === null || Array.isArray(value)) {
        return { path, message: "must be an object" };
      }
      return misfitInside(shape, new Map(Object.entries(value)), path);
    default:
      return null;
  }
}

/**
 * As much of a value as has the type and limits of the contract: the value itself where all of it has,
 * a list without the items that do not, nothing (undefined) where the rest would be no value at all.
 */
export function fitting(shape: Shape, value: unknown): unknown {
  if (firstMisfit(shape, value, "") === null) return value;
  if (shape.type === "array" && Array.isArray(value)) {
    const { items, maxItems } = shape;
    const kept = items
      ? value.map((item) => fitting(items, item)).filter((item) => item !== undefined)
      : value;
    return kept.slice(0, maxItems);
  }
  if (shape.type !== "object" || typeof value !== "object" || value === null || Array.isArray(value)) {
    return undefined;
  }
  const kept = Object.entries(value)
    .map(([name, inner]) => [name, shapeInside(shape, name), inner] as const)
    .map(([name, known, inner]) => [name, known ? fitting(known, inner) : inner])
    .filter(([, inner]) => inner !== undefined);
  const rest: object = Object.fromEntries(kept);
  return firstMisfit(shape, rest, "") === null ? rest : undefined;
}

/** Every misfit in a known field, each item of its lists for itself; `most` at most. */
export function misfits(shape: Shape, value: unknown, path: string, most: number): FieldError[] {
  const misfit = firstMisfit(shape, value, path);
  if (misfit === null || most <= 0) return [];
  const found: FieldError[] = [];
  if (shape.type === "array" && shape.items && Array.isArray(value)) {
    for (let i = 0; i < value.length && found.length < most; i++) {
      const inside = firstMisfit(shape.items, value[i], `${path}.${i}`);
      if (inside) found.push(inside);
    }
  }
  if (shape.type === "object" && typeof value === "object" && value !== null) {
    for (const [name, inner] of Object.entries(value)) {
      const known = shapeInside(shape, name);
      if (known) found.push(...misfits(known, inner, `${path}.${name}`, most - found.length));
    }
  }
  return found.length > 0 ? found : [misfit];
}

function shapeInside(shape: Shape, name: string): Shape | undefined {
  const [ofAny] = Object.values(shape.patternProperties ?? {});
  return shape.properties && Object.hasOwn(shape.properties, name) ? shape.properties[name] : ofAny;
}

function misfitInside(shape: Shape, fields: ReadonlyMap<string, unknown>, path: string): FieldError | null {
  const missing = shape.required?.find((name) => !fields.has(name));
  if (missing !== undefined) return { path: `${path}.${missing}`, message: "is missing" };
  return first([...fields], ([name, value]) => {
    const known = shapeInside(shape, name);
    return known && firstMisfit(known, value, `${path}.${name}`);
  });
}

function first<T>(
  items: readonly T[],
  misfit: (item: T, index: number) => FieldError | null | undefined,
): FieldError | null {
  for (let i = 0; i < items.length; i++) {
    const found = misfit(items[i] as T, i);
    if (found) return found;
  }
  return null;
}
