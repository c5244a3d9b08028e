import { type Kysely, sql } from 'kysely';
import type { Migration } from 'kysely/migration';

/** What each member can work in: phases, with a space between two. Empty for a process of a version that does not say. */
export const memberSupports: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    await sql`
      alter table polyphase.member add column if not exists supports text collate "C" not null default ''`.execute(
      db,
    );
  },
  async down(db: Kysely<unknown>): Promise<void> {
    await sql`alter table if exists polyphase.member drop column if exists supports`.execute(db);
  },
};
