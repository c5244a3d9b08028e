import { partitionText, type RecordKey } from '@polyphase/core';
import { type RawBuilder, sql } from 'kysely';
import type { SlotMaker } from '../statement.ts';
import type { Table } from '../table.ts';

/** Makes a key dirty. `stored` is what gives the term and the counter of the row that was stored, and no row where none was. */
export function markDirty<Input extends { readonly record: { readonly key: RecordKey } }>(
  table: Table,
  stored: RawBuilder<unknown>,
  slot: SlotMaker<Input>,
): RawBuilder<unknown> {
  return sql`
    insert into polyphase.dirty_key (entity, hyb_pk, id, term, counter)
    select
      ${slot(() => table.entity.name)}::text,
      ${slot(({ record }) => partitionText(record.key.partition))}::text,
      ${slot(({ record }) => record.key.id)}::text,
      hyb_term, hyb_counter
    from ${stored}
    on conflict (entity, hyb_pk, id) do update set term = excluded.term, counter = excluded.counter`;
}
