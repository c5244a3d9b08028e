import { type Kysely, sql } from 'kysely';
import type { Migration } from 'kysely/migration';

/** The tables of who serves a group, and of how fresh its rows are. */
export const members: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    await sql`
      create table if not exists polyphase.member (
        group_name text collate "C" not null,
        holder text collate "C" not null,
        epoch bigint not null,
        version text not null,
        ends_at timestamptz not null,
        primary key (group_name, holder)
      )`.execute(db);
    await sql`
      create table if not exists polyphase.freshness (
        group_name text collate "C" primary key,
        fresh_at_ms double precision not null
      )`.execute(db);
  },
  async down(db: Kysely<unknown>): Promise<void> {
    await sql`drop table if exists polyphase.member, polyphase.freshness`.execute(db);
  },
};
