import type { DatabaseSync, SQLInputValue, StatementSync } from "node:sqlite";
import {
  type CompiledQuery,
  type DatabaseConnection,
  Kysely,
  type QueryResult,
  SqliteAdapter,
  SqliteIntrospector,
  SqliteQueryCompiler,
} from "kysely";

const STATEMENTS_MAX = 200;

/** Runs one query on the file, at once. */
export type Run = <R>(query: CompiledQuery) => QueryResult<R>;

/** Runs queries on a connection, keeping its prepared statements. */
export function createRunner(db: DatabaseSync): Run {
  const statements = new Map<string, { statement: StatementSync; hasRows: boolean }>();

  function prepare(text: string) {
    const known = statements.get(text);
    if (known) return known;
    const statement = db.prepare(text);
    const prepared = { statement, hasRows: statement.columns().length > 0 };
    if (statements.size >= STATEMENTS_MAX) statements.delete(statements.keys().next().value as string);
    statements.set(text, prepared);
    return prepared;
  }

  return <R>({ sql, parameters }: CompiledQuery): QueryResult<R> => {
    const { statement, hasRows } = prepare(sql);
    const values = parameters as readonly SQLInputValue[];
    if (hasRows) {
      const rows = statement.all(...values) as R[];
      return { rows, numAffectedRows: BigInt(rows.length) };
    }
    const { changes, lastInsertRowid } = statement.run(...values);
    return { rows: [], numAffectedRows: BigInt(changes), insertId: BigInt(lastInsertRowid) };
  };
}

/**
 * Kysely on `run`. Kysely brings no driver for `node:sqlite`; this one has a single connection and no
 * transactions of its own, for whoever makes it decides where a transaction begins and ends.
 */
export function kyselyOver<T>(run: Run): Kysely<T> {
  const connection: DatabaseConnection = {
    executeQuery: async (query) => run(query),
    streamQuery: () => {
      throw new Error("queries are not streamed here; read a page at a time");
    },
  };
  const noTransaction = async () => {
    throw new Error("begin a transaction with Sql.write");
  };
  return new Kysely<T>({
    dialect: {
      createAdapter: () => new SqliteAdapter(),
      createIntrospector: (db) => new SqliteIntrospector(db),
      createQueryCompiler: () => new SqliteQueryCompiler(),
      createDriver: () => ({
        init: async () => {},
        acquireConnection: async () => connection,
        releaseConnection: async () => {},
        beginTransaction: noTransaction,
        commitTransaction: noTransaction,
        rollbackTransaction: noTransaction,
        destroy: async () => {},
      }),
    },
  });
}
