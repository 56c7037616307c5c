import type { Static, TProperties, TSchema } from "typebox";
import * as Type from "typebox";

/** A closed object: an unknown field is an error that names the nearest known one. */
export function closed<P extends TProperties>(properties: P, title?: string) {
  return Type.Object(properties, {
    additionalProperties: false,
    ...(title !== undefined && { title }),
  });
}

/** Free JSON of a client's own: an object of at most 16 KiB, kept as it is. */
export const Metadata = Type.Record(Type.String(), Type.Unknown(), {
  description: "Free JSON of the client's own, at most 16 KiB.",
});

export const METADATA_BYTES_MAX = 16_384;

export const Uuid = Type.String({ format: "uuid", description: "Lower-case UUID." });
export const Time = Type.String({ format: "date-time", description: "RFC 3339, UTC, milliseconds." });
export const Tags = Type.Array(Type.String({ minLength: 1, maxLength: 100 }), { maxItems: 100 });
export const Cursor = Type.String({ maxLength: 512, description: "Opaque; take it from an answer." });
export const Limit = Type.Integer({ minimum: 1, maximum: 200, default: 50 });

export const nullable = <const S extends TSchema>(schema: S) => Type.Union([schema, Type.Null()]);

/** One of several fixed texts. */
export const oneOf = <const V extends string>(...values: V[]) =>
  Type.Unsafe<V>({ type: "string", enum: values });

/** A plain list, newest first; `next_cursor` is null where nothing follows. */
export const listOf = <const S extends TSchema>(item: S, title: string) =>
  closed({ items: Type.Array(item), next_cursor: nullable(Cursor) }, title);

export interface List<T> {
  items: T[];
  next_cursor: string | null;
}

export type { Static, TSchema };
