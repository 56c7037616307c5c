import { type Examined, examineSqlite, type Invariant } from "../../kit/sqlite/examine.ts";
import { migrations } from "./migrations.ts";

const counts = {
  users: "select count(*) as n from users where deleted_at is null",
  characters: "select count(*) as n from characters where deleted_at is null",
};

const ofNobody = (table: string, column: string): Invariant => ({
  what: `${table} of nobody`,
  sql: `select count(*) as n from ${table} t where ${column} is not null
    and not exists (select 1 from users u where u.id = t.${column})`,
});

const invariants: readonly Invariant[] = [
  {
    what: "characters without their newest version",
    sql: `select count(*) as n from characters c where not exists
      (select 1 from character_versions v where v.character_id = c.id and v.version = c.version)`,
  },
  ofNobody("characters", "owner_id"),
  ofNobody("keys", "user_id"),
  ofNobody("sessions", "user_id"),
];

const blobs = `select avatar as hash from characters where avatar is not null
  union select avatar_thumb from characters where avatar_thumb is not null`;

/** The newest schema that this program knows. */
export const schemaKnown = migrations.length;

/** Looks through a `parley.db`; see `examineSqlite`. */
export const examineAccounts = (path: string, { isAtRest }: { isAtRest: boolean }): Examined =>
  examineSqlite({ path, isAtRest, schemaKnown, counts, invariants, blobs });
