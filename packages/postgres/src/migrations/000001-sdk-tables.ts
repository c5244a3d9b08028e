import { type Kysely, sql } from 'kysely';
import type { Migration } from 'kysely/migration';

/**
 * The SDK's own tables, in the schema `polyphase`. `entity_table` says which columns of an entity's table hold fields; its layout
 * rises with each of them.
 */
export const sdkTables: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    for (const statement of STATEMENTS) await sql.raw(statement).execute(db);
  },
  async down(db: Kysely<unknown>): Promise<void> {
    for (const name of ['journal', 'dirty_key', 'checkpoint', 'lease', 'control', 'entity_table'])
      await sql`drop table if exists ${sql.id('polyphase', name)}`.execute(db);
  },
};

const STATEMENTS = [
  'create schema if not exists polyphase',
  `create table if not exists polyphase.entity_table (
    schema_name text collate "C" not null,
    table_name text collate "C" not null,
    layout int not null,
    columns jsonb not null,
    primary key (schema_name, table_name)
  )`,
  `create table if not exists polyphase.control (
    group_name text collate "C" primary key,
    epoch bigint not null,
    phase text not null check (phase in ('0', '1', '2', '3', '4', '5', '6', '5''', '7', '7r')),
    term int not null,
    wish_phase text not null check (wish_phase in ('0', '2', '3', '6', '7')),
    wish_flip text not null check (wish_flip in ('auto', 'manual')),
    wish_revision bigint not null
  )`,
  // Without a holder it was released; the token stays, so that it never falls.
  `create table if not exists polyphase.lease (
    name text collate "C" primary key,
    holder text,
    token bigint not null,
    ends_at timestamptz not null
  )`,
  `create table if not exists polyphase.checkpoint (
    name text collate "C" primary key,
    position text not null,
    revision bigint not null
  )`,
  `create table if not exists polyphase.dirty_key (
    entity text collate "C" not null,
    hyb_pk text collate "C" not null,
    id text collate "C" not null,
    term int not null,
    counter bigint not null,
    since timestamptz not null default clock_timestamp(),
    held_until timestamptz,
    primary key (entity, hyb_pk, id)
  )`,
  'create index if not exists dirty_key_since on polyphase.dirty_key (entity, since)',
  // The digest stands for kind, entity, key and bodies: the same entry is appended once.
  `create table if not exists polyphase.journal (
    digest text collate "C" primary key,
    number bigint generated always as identity,
    kind text not null check (kind in ('dead-letter', 'conflict')),
    entity text collate "C" not null,
    key text collate "C" not null,
    reason text not null,
    issues text not null,
    theirs text,
    ours text,
    appended_at timestamptz not null default clock_timestamp(),
    resolved_at timestamptz
  )`,
  'create index if not exists journal_open on polyphase.journal (entity, number) where resolved_at is null',
];
