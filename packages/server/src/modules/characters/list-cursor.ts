import { Problem } from "@parley-chat/sdk/contract/problem";
import { isId } from "../../kit/ids.ts";
import type { ListPlace } from "./characters.repository.ts";

const PLACE = /^([0-9a-z]{1,10})\.([0-9a-f-]{36})$/;

/** The cursor behind a character in a list: opaque to clients, its place to us. */
export const writeListCursor = ({ createdAt, id }: ListPlace): string =>
  Buffer.from(`${createdAt.toString(36)}.${id}`).toString("base64url");

/** @throws `invalid_cursor` */
export function readListCursor(cursor: string): ListPlace {
  const [, createdAt = "", id = ""] = PLACE.exec(Buffer.from(cursor, "base64url").toString("latin1")) ?? [];
  const place = { createdAt: Number.parseInt(createdAt, 36), id };
  // Decoding forgives a lot; only what comes out the same again is a cursor of ours.
  if (!isId(id) || writeListCursor(place) !== cursor) {
    throw new Problem(
      "invalid_cursor",
      "The cursor is malformed. Take next_cursor from a list, or leave it out.",
      {
        errors: [{ path: "cursor", message: "must be a next_cursor of this list" }],
      },
    );
  }
  return place;
}
