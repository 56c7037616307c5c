import { join } from "node:path";
import type { Sql } from "./sql.ts";

export type { Sql } from "./sql.ts";

/** Opens the relational store that the settings name; without any it is `parley.db` in the data folder. */
export async function openSql({ dataDir }: { dataDir: string }): Promise<Sql> {
  const { createSqliteSql } = await import("./sqlite.ts");
  return createSqliteSql({ path: join(dataDir, "parley.db") });
}
