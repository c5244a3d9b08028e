import { sql } from 'kysely';
import { defineStatement, numberCell, type Statement } from '../statement.ts';

/** Number of dirty keys, and the age of the oldest. */
export interface DirtyLag {
  readonly count: number;
  readonly oldestMs: number;
}

/** Measures how far the reverse relay is behind. */
export const dirtyLag: Statement<string, DirtyLag> = defineStatement<string, DirtyLag>(
  (slot) => sql`
    select count(*), coalesce(greatest(0, floor(extract(epoch from clock_timestamp() - min(since)) * 1000)), 0)
    from polyphase.dirty_key where entity = ${slot((entity) => entity)}::text`,
  ([count, oldest]) => ({ count: numberCell(count), oldestMs: numberCell(oldest) }),
);
