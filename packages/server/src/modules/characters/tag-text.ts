/** The form in which tags are compared. */
const normal = (tag: string): string => tag.normalize("NFC").trim().toLowerCase();

/**
 * A tag as it stands in `encodeTags`, quotes included. Quotes and commas inside it are escaped, so that
 * in the whole text a bare quote only ever begins or ends a tag: then "has this tag" is "contains this
 * text", which every database can ask in the same words.
 */
export const encodeTag = (tag: string): string =>
  `"${JSON.stringify(normal(tag)).slice(1, -1).replaceAll('\\"', "\\u0022").replaceAll(",", "\\u002c")}"`;

/** Tags as a JSON array, for comparison without case. */
export const encodeTags = (tags: readonly string[]): string =>
  `[${[...new Set(tags.map(encodeTag))].join(",")}]`;
