import type { NotedTallies } from '@polyphase/core';
import { sql } from 'kysely';
import { defineStatement, noRow, type Statement } from '../statement.ts';

/** Replaces what a process found by shadow reads. Notes of processes that have been silent for a day are removed on the way. */
export const noteTallies: Statement<NotedTallies, undefined> = defineStatement<NotedTallies, undefined>(
  (slot) => sql`
    with gone as (
      delete from polyphase.shadow_tally
      where group_name = ${slot(({ group }) => group)}::text and holder <> ${slot(({ holder }) => holder)}::text
        and noted_at < clock_timestamp() - interval '1 day'
    )
    insert into polyphase.shadow_tally as there (group_name, holder, epoch, tallies, noted_at)
    values (
      ${slot(({ group }) => group)}::text, ${slot(({ holder }) => holder)}::text,
      ${slot(({ epoch }) => String(epoch))}::bigint, ${slot(({ tallies }) => JSON.stringify(tallies))}::jsonb,
      clock_timestamp()
    )
    on conflict (group_name, holder) do update set
      epoch = excluded.epoch, tallies = excluded.tallies, noted_at = excluded.noted_at
    where there.epoch <= excluded.epoch`,
  noRow,
);
