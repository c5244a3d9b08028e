import { type Kysely, sql } from 'kysely';
import type { Migration } from 'kysely/migration';

/** The table that config is kept in, where it is kept in PostgreSQL: a row for each name. */
export const configTable: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    await sql`
      create table if not exists polyphase.config (
        name text collate "C" primary key,
        config jsonb not null,
        changed_at timestamptz not null default clock_timestamp()
      )`.execute(db);
  },
  async down(db: Kysely<unknown>): Promise<void> {
    await sql`drop table if exists polyphase.config`.execute(db);
  },
};
