/**
 * What makes the tables of tables.ts, one list of statements for each version of the schema. Written in
 * the SQL that SQLite and PostgreSQL share, so that one set serves both. A list that was released is
 * never changed; a new one is added behind it.
 */
export const migrations: readonly (readonly string[])[] = [
  [
    `create table users (
      id text not null primary key,
      space_id text not null,
      email text,
      email_key text,
      user_name text,
      display_name text not null,
      role text not null,
      status text not null,
      password_hash text,
      locale text,
      time_zone text,
      created_at bigint not null,
      deleted_at bigint,
      erased_at bigint
    )`,
    "create unique index users_email_key on users (email_key)",
    "create unique index users_user_name on users (user_name)",
    "create unique index users_one_owner on users (space_id) where role = 'owner'",
    "create index users_to_erase on users (deleted_at) where deleted_at is not null and erased_at is null",

    `create table identities (
      provider text not null,
      subject text not null,
      user_id text not null,
      created_at bigint not null,
      primary key (provider, subject)
    )`,
    "create index identities_user_id on identities (user_id)",

    `create table sessions (
      id text not null primary key,
      user_id text not null,
      generation bigint not null,
      dead_generations text not null,
      refresh_key_hash text,
      refreshed_at bigint not null,
      created_at bigint not null,
      expires_at bigint not null,
      ended_at bigint
    )`,
    "create index sessions_user_id on sessions (user_id)",
    "create index sessions_expires_at on sessions (expires_at)",

    `create table keys (
      id text not null primary key,
      user_id text not null,
      name text not null,
      scopes text not null,
      prefix text not null,
      secret_hash text not null,
      expires_at bigint,
      last_used_at bigint,
      created_at bigint not null,
      revoked_at bigint
    )`,
    "create index keys_user_id on keys (user_id, created_at, id)",

    `create table sign_in_codes (
      code_hash text not null primary key,
      user_id text not null,
      expires_at bigint not null
    )`,
    "create index sign_in_codes_user_id on sign_in_codes (user_id)",
    "create index sign_in_codes_expires_at on sign_in_codes (expires_at)",

    `create table characters (
      id text not null primary key,
      space_id text not null,
      owner_id text,
      version bigint not null,
      visibility text not null,
      name text not null,
      search_text text not null,
      tags text not null,
      created_at bigint not null,
      updated_at bigint not null,
      deleted_at bigint
    )`,
    "create index characters_owner_id on characters (owner_id, created_at, id)",
    "create index characters_visibility on characters (visibility, created_at, id) where deleted_at is null",

    `create table character_versions (
      character_id text not null,
      version bigint not null,
      card text not null,
      envelope text not null,
      created_at bigint not null,
      primary key (character_id, version)
    )`,

    `create table idempotency (
      principal text not null,
      route text not null,
      key_hash text not null,
      body_hash text not null,
      incarnation text not null,
      status bigint,
      answer text,
      created_at bigint not null,
      primary key (principal, route, key_hash)
    )`,
    "create index idempotency_created_at on idempotency (created_at)",

    "create table probes (id bigint not null primary key)",
  ],
  // Who may read a version was decided when it was made; of older ones it is not known, so they are private.
  [
    "alter table character_versions add column visibility text not null default 'private'",
    `update character_versions set visibility = (
       select c.visibility from characters c where c.id = character_id and c.version = character_versions.version
     ) where exists (
       select 1 from characters c where c.id = character_id and c.version = character_versions.version
     )`,
  ],
  [
    "alter table characters add column avatar text",
    "alter table characters add column avatar_thumb text",
    "create index characters_avatar on characters (avatar) where avatar is not null",
    "create index characters_avatar_thumb on characters (avatar_thumb) where avatar_thumb is not null",
  ],
  // What older answers are about is not known, so they are not kept: a repeat works again by the same ids.
  [
    "delete from idempotency",
    "alter table idempotency add column about text not null default ''",
    "create index idempotency_about on idempotency (about)",
  ],
];
