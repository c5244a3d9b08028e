import { type Kysely, sql } from 'kysely';
import type { Migration } from 'kysely/migration';
import { bucketOf, documentOf, imul, partitionText } from './raw-writes/key-functions.ts';
import { rawWrite } from './raw-writes/raw-write.ts';

/**
 * What keeps a row whole when somebody writes it by SQL of their own. The trigger itself is made with each entity's table; its
 * condition lets every write of the SDK pass without a call, because those change the version.
 */
export const rawWrites: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    for (const statement of [imul, bucketOf, partitionText, documentOf, rawWrite])
      await sql.raw(statement).execute(db);
  },
};
