import { type Kysely, sql } from 'kysely';
import type { Migration } from 'kysely/migration';

/** How long each lease was asked for: one that has longer to go was granted before the server's clock was set back. */
export const leaseDuration: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    await sql`alter table polyphase.lease add column if not exists duration_ms double precision`.execute(db);
  },
  async down(db: Kysely<unknown>): Promise<void> {
    await sql`alter table polyphase.lease drop column if exists duration_ms`.execute(db);
  },
};
