import { createBackfill } from '@polyphase/hybrid';
import { postgresStore } from '@polyphase/postgres';
import type { Pool } from 'pg';
import { AccountEntity } from './account-entity.ts';
import { generatedStore } from './generated-store.ts';

/** Ranges of the generated container. */
export const ranges = 4;

/** Copies so many documents into an empty table. Resolves with the seconds that it took, its end noticed. */
export async function copyAccounts(pool: Pool, documents: number): Promise<number> {
  const postgres = postgresStore({ pool });
  await pool.query('drop table if exists accounts');
  await pool.query('drop schema if exists polyphase cascade');
  await postgres.prepare([AccountEntity]);
  const cosmos = generatedStore({ entity: AccountEntity, documents, ranges });
  await using backfill = createBackfill({
    stores: { cosmos, postgres },
    entities: [AccountEntity],
    poll: 20,
  });
  const start = performance.now();
  const [progress] = await backfill.run();
  const seconds = (performance.now() - start) / 1_000;
  if (progress?.applied !== documents) throw new Error(`${progress?.applied} of ${documents} were copied`);
  return seconds;
}
