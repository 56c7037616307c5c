import type { CardChanges } from "@parley-chat/sdk/contract";

/** A character that comes with Parley. */
export interface Starter {
  /** Never changes: the character's id is derived from it. */
  readonly slug: string;
  readonly card: Omit<CardChanges, "visibility" | "name"> & { readonly name: string };
}
