import type { Kysely } from "kysely";
import type { Tables } from "./tables.ts";

/**
 * The relational store of accounts, keys and characters. `write` groups: everything that arrives in one
 * turn of the event loop is committed together, durable (synced) before any of it resolves, and in the
 * order of the calls. The work inside `write` is one transaction: all or nothing, serial with others;
 * it must not wait for anything but its own queries. A unique violation throws `UniqueViolation`.
 * A store that cannot write throws the problem `storage_unavailable`, and `overloaded` where too many
 * works wait.
 */
export interface Sql {
  readonly name: string;
  /** Reads see what was committed. */
  readonly read: Kysely<Tables>;
  write<T>(work: (tx: Kysely<Tables>) => Promise<T>): Promise<T>;
  /** A durable write of nothing, for `/ready`. */
  probe(): Promise<void>;
  close(): Promise<void>;
}

export class UniqueViolation extends Error {
  /** The columns, as `table.column`. */
  readonly columns: string[];
  constructor(columns: string[], cause: unknown) {
    super(`unique violation on ${columns.join(", ")}`, { cause });
    this.columns = columns;
  }
}
