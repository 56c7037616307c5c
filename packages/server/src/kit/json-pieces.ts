type Lists = AsyncIterable<unknown>;

const isList = (value: unknown): value is Lists =>
  typeof value === "object" && value !== null && Symbol.asyncIterator in value;

/**
 * The JSON of an object, piece by piece, for what must not stand in memory as a whole: an async
 * iterable, in it or in what it yields, becomes an array that is written as it comes.
 */
export async function* jsonPieces(value: unknown): AsyncGenerator<string> {
  if (isList(value)) yield* arrayPieces(value);
  else if (isObjectWithLists(value)) yield* objectPieces(value);
  else yield JSON.stringify(value);
}

const isObjectWithLists = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && Object.values(value).some(isList);

async function* arrayPieces(list: Lists): AsyncGenerator<string> {
  let separator = "[";
  for await (const item of list) {
    yield separator;
    yield* jsonPieces(item);
    separator = ",";
  }
  yield separator === "[" ? "[]" : "]";
}

async function* objectPieces(object: Record<string, unknown>): AsyncGenerator<string> {
  let separator = "{";
  for (const [name, value] of Object.entries(object)) {
    if (value === undefined) continue;
    yield `${separator}${JSON.stringify(name)}:`;
    yield* jsonPieces(value);
    separator = ",";
  }
  yield "}";
}
