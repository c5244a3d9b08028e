import { type Kysely, sql } from 'kysely';
import type { Migration } from 'kysely/migration';

/** The groups that a wish moves in one step. Whoever does not know the column moves them one by one, which is as safe. */
export const together: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    await sql`alter table polyphase.control add column if not exists wish_together jsonb`.execute(db);
  },
  async down(db: Kysely<unknown>): Promise<void> {
    await sql`alter table polyphase.control drop column if exists wish_together`.execute(db);
  },
};
