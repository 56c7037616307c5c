/** The one space that every owned row belongs to, until teams come. */
export const SPACE_ID = "default";

/**
 * The tables of the relational store, as Kysely sees them. Times are milliseconds since 1970. JSON is
 * text.
 */
export interface Tables {
  users: UsersTable;
  identities: IdentitiesTable;
  sessions: SessionsTable;
  keys: KeysTable;
  sign_in_codes: SignInCodesTable;
  characters: CharactersTable;
  character_versions: CharacterVersionsTable;
  idempotency: IdempotencyTable;
  probes: ProbesTable;
}

export interface UsersTable {
  id: string;
  space_id: string;
  /** Null once erased, or for accounts without one. */
  email: string | null;
  /** Lower case, unique. */
  email_key: string | null;
  user_name: string | null;
  display_name: string;
  role: "owner" | "user";
  status: "active" | "suspended" | "deleted";
  password_hash: string | null;
  locale: string | null;
  time_zone: string | null;
  created_at: number;
  deleted_at: number | null;
  /** When all that the account owned was gone too; a deleted account without it is swept again. */
  erased_at: number | null;
}

export interface IdentitiesTable {
  provider: string;
  subject: string;
  user_id: string;
  created_at: number;
}

export interface SessionsTable {
  id: string;
  user_id: string;
  /** Rises with every refresh; the refresh token of an older one ends the family. */
  generation: number;
  /**
   * Generations whose answers were lost and whose access tokens are dead: a JSON array of
   * `[generation, when its access token has expired anyway]`.
   */
  dead_generations: string;
  /** Hash of the last refresh's generation and Idempotency-Key, for a repeat within 60 s. */
  refresh_key_hash: string | null;
  refreshed_at: number;
  created_at: number;
  expires_at: number;
  ended_at: number | null;
}

export interface KeysTable {
  id: string;
  user_id: string;
  name: string;
  /** JSON array. */
  scopes: string;
  prefix: string;
  secret_hash: string;
  expires_at: number | null;
  last_used_at: number | null;
  created_at: number;
  revoked_at: number | null;
}

export interface SignInCodesTable {
  code_hash: string;
  user_id: string;
  expires_at: number;
}

export interface CharactersTable {
  id: string;
  space_id: string;
  /** Null: one of ours. */
  owner_id: string | null;
  version: number;
  visibility: "private" | "public";
  name: string;
  /** Lower-case name and description, for `q`. */
  search_text: string;
  /** JSON array, lower case. */
  tags: string;
  /** The blob of its picture, a PNG. */
  avatar: string | null;
  /** The blob of the same picture in small; null where the picture itself is small. */
  avatar_thumb: string | null;
  created_at: number;
  updated_at: number;
  deleted_at: number | null;
}

export interface CharacterVersionsTable {
  character_id: string;
  version: number;
  /** As it was when the version was made: what was private then stays unread by others. */
  visibility: "private" | "public";
  /** The card's `data`, unknown fields included, as JSON. */
  card: string;
  /** What stood around `data` in the file (spec, spec_version, V1 fields on top), as JSON. */
  envelope: string;
  created_at: number;
}

export interface IdempotencyTable {
  principal: string;
  route: string;
  key_hash: string;
  body_hash: string;
  /** The id of what the call makes or changes: with that the answer goes. */
  about: string;
  /** Which run of the process claimed it. */
  incarnation: string;
  /** Null while running. */
  status: number | null;
  answer: string | null;
  created_at: number;
}

/** One row, written for no other reason than to see that writing works. */
export interface ProbesTable {
  id: number;
}
