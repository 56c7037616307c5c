import { v3FieldNames } from "@parley-chat/sdk/contract";
import type { Json } from "./card.ts";

/**
 * A V3 card for readers that know V2 alone: without the fields and the decorators of V3 (V3
 * specification), all else as it is.
 */
export function forV2(file: Json): Json {
  const data = Object.fromEntries(
    Object.entries(file.data as Json).filter(([name]) => !v3FieldNames.includes(name)),
  );
  const book = data.character_book as { entries?: unknown } | null | undefined;
  if (Array.isArray(book?.entries)) {
    data.character_book = { ...book, entries: book.entries.map(withoutDecorators) };
  }
  return { ...file, spec: "chara_card_v2", spec_version: "2.0", data };
}

function withoutDecorators(entry: unknown): unknown {
  const content = (entry as { content?: unknown } | null)?.content;
  return typeof content === "string" && content.startsWith("@@")
    ? { ...(entry as object), content: withoutDecoratorLines(content) }
    : entry;
}

/** The content of a lore entry without the lines at its top that begin with `@@`. */
export const withoutDecoratorLines = (content: string): string =>
  content.replace(/^(?:[ \t]*@@[^\n]*(?:\n|$))+/, "");
