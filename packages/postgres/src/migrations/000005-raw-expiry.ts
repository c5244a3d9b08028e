import { type Kysely, sql } from 'kysely';
import type { Migration } from 'kysely/migration';
import { rawWrite } from './raw-writes/raw-write.ts';

/** The function of raw writes once more: it makes room where a record has expired, and notices a moment that was changed. */
export const rawExpiry: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    await sql.raw(rawWrite).execute(db);
  },
};
