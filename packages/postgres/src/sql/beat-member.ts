import type { Beat, BeatAnswer } from '@polyphase/core';
import { sql } from 'kysely';
import { defineStatement, numberCell, type Statement } from '../statement.ts';
import { CONTROL_COLUMNS, controlRow } from './read-control.ts';

/**
 * Makes a process a member of a group that has a control row, and reads that. The statement that shares the group's lock comes before
 * it. Members that are gone for an hour are forgotten on the way.
 */
export const beatMember: Statement<Beat, BeatAnswer> = defineStatement<Beat, BeatAnswer>(
  (slot) => sql`
    with row as (
      select ${CONTROL_COLUMNS} from polyphase.control where group_name = ${slot(({ group }) => group)}::text
    ),
    gone as (
      delete from polyphase.member
      where group_name = ${slot(({ group }) => group)}::text and ends_at < clock_timestamp() - interval '1 hour'
        and holder <> ${slot(({ holder }) => holder)}::text
    ),
    beat as (
      insert into polyphase.member (group_name, holder, epoch, version, supports, ends_at)
      select
        group_name, ${slot(({ holder }) => holder)}::text, ${slot(({ epoch }) => String(epoch))}::bigint,
        ${slot(({ version }) => version)}::text, ${slot(({ supports }) => supports.join(' '))}::text,
        clock_timestamp() + ${slot(({ durationMs }) => String(durationMs))}::double precision * interval '1 millisecond'
      from row
      on conflict (group_name, holder) do update set
        epoch = excluded.epoch, version = excluded.version, supports = excluded.supports, ends_at = excluded.ends_at
    )
    select
      (extract(epoch from clock_timestamp()) * 1000)::double precision,
      (select fresh_at_ms from polyphase.freshness where group_name = ${slot(({ group }) => group)}::text),
      ${CONTROL_COLUMNS}
    from (select) as always left join row on true`,
  ([nowMs, freshAtMs, ...row]) => ({
    row: row[0] === null ? undefined : controlRow(row),
    nowMs: numberCell(nowMs),
    freshAtMs: freshAtMs === null ? undefined : numberCell(freshAtMs),
  }),
);
