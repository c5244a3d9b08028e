import { type Kysely, sql } from 'kysely';
import type { Migration } from 'kysely/migration';

/** The table of what each process found by shadow reads. */
export const shadowTallies: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    await sql`
      create table if not exists polyphase.shadow_tally (
        group_name text collate "C" not null,
        holder text collate "C" not null,
        epoch bigint not null,
        tallies jsonb not null,
        noted_at timestamptz not null,
        primary key (group_name, holder)
      )`.execute(db);
  },
  async down(db: Kysely<unknown>): Promise<void> {
    await sql`drop table if exists polyphase.shadow_tally`.execute(db);
  },
};
