import type { DatabaseSync, SQLInputValue } from "node:sqlite";
import type { Recent } from "./recent.ts";

/** What the parts of the SQLite store share. */
export interface StoreFile {
  readonly db: DatabaseSync;
  /** Queues a work for the next commit; see `createGroupedWriter`. */
  write<T>(work: () => T): Promise<T>;
  /**
   * Called behind each single-row step of an operation. In production the steps of an operation share a
   * commit; with `isStepwise` each commits by itself, and a kill may come behind any of them.
   */
  step(name: string): void;
  readonly isStepwise: boolean;
  readonly recent: Recent;
  /** Notes that something happened in a conversation. */
  touch(conversationId: string, userId: string, at: number): void;
}

/** A prepared statement that gives one row of a known form, or undefined. */
export function oneRow<Row>(db: DatabaseSync, sql: string) {
  const statement = db.prepare(sql);
  return (...values: SQLInputValue[]): Row | undefined => statement.get(...values) as Row | undefined;
}

/** A prepared statement that gives rows of a known form. */
export function manyRows<Row>(db: DatabaseSync, sql: string) {
  const statement = db.prepare(sql);
  return (...values: SQLInputValue[]): Row[] => statement.all(...values) as unknown as Row[];
}

/** A prepared statement that changes rows; gives how many it changed. */
export function change(db: DatabaseSync, sql: string) {
  const statement = db.prepare(sql);
  return (...values: SQLInputValue[]): number => Number(statement.run(...values).changes);
}
