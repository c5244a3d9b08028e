import { type DirtyKey, partitionOf } from '@polyphase/core';
import { sql } from 'kysely';
import { defineStatement, numberCell, type Statement, textCell } from '../statement.ts';

/** How many keys are claimed, and for how long. */
export interface ClaimInput {
  readonly entity: string;
  readonly limit: number;
  readonly holdMs: number;
}

/** A dirty key and its date in microseconds, to be sorted by. */
export interface ClaimedKey extends DirtyKey {
  readonly sinceUs: number;
}

/**
 * Holds the oldest keys that nobody holds; whoever claims at the same moment gets others. A hold that would last thirty times as long as
 * anybody asks for was made before the server's clock was set back; to copy a key twice does no harm.
 */
export const claimDirtyKeys: Statement<ClaimInput, ClaimedKey> = defineStatement<ClaimInput, ClaimedKey>(
  (slot) => sql`
    with free as materialized (
      select entity, hyb_pk, id from polyphase.dirty_key
      where entity = ${slot(({ entity }) => entity)}::text
        and (held_until is null or held_until <= clock_timestamp() or held_until > clock_timestamp()
          + 30 * ${slot(({ holdMs }) => String(holdMs))}::double precision * interval '1 millisecond')
      order by since
      limit ${slot(({ limit }) => String(limit))}::int
      for update skip locked
    )
    update polyphase.dirty_key as d
    set held_until = clock_timestamp()
      + ${slot(({ holdMs }) => String(holdMs))}::double precision * interval '1 millisecond'
    from free
    where d.entity = free.entity and d.hyb_pk = free.hyb_pk and d.id = free.id
    returning d.hyb_pk, d.id, d.term, d.counter, floor(extract(epoch from d.since) * 1000000)::bigint`,
  ([pk, id, term, counter, since]) => ({
    key: { partition: partitionOf(textCell(pk)), id: textCell(id) },
    version: { term: numberCell(term), counter: numberCell(counter) },
    sinceUs: numberCell(since),
  }),
);
