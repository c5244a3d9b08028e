import { type DirtyKey, partitionText } from '@polyphase/core';
import { type RawBuilder, sql } from 'kysely';
import { arrayLiteral, defineStatement, noRow, type SlotMaker, type Statement } from '../statement.ts';

/** Keys of an entity, with the versions that were copied. */
export interface DirtyKeysInput {
  readonly entity: string;
  readonly keys: readonly DirtyKey[];
}

/** The keys of an input as a table `copied (pk, id, term, counter)`. */
export function copiedKeys(slot: SlotMaker<DirtyKeysInput>): RawBuilder<unknown> {
  return sql`unnest(
    ${slot(({ keys }) => arrayLiteral(keys.map(({ key }) => partitionText(key.partition))))}::text[],
    ${slot(({ keys }) => arrayLiteral(keys.map(({ key }) => key.id)))}::text[],
    ${slot(({ keys }) => arrayLiteral(keys.map(({ version }) => String(version.term))))}::int[],
    ${slot(({ keys }) => arrayLiteral(keys.map(({ version }) => String(version.counter))))}::bigint[]
  ) as copied (pk, id, term, counter)`;
}

/** Removes the entries whose version is the one that was copied. */
export const removeDirtyKeys: Statement<DirtyKeysInput, undefined> = defineStatement<
  DirtyKeysInput,
  undefined
>(
  (slot) => sql`
    delete from polyphase.dirty_key as d using ${copiedKeys(slot)}
    where d.entity = ${slot(({ entity }) => entity)}::text and d.hyb_pk = copied.pk and d.id = copied.id
      and d.term = copied.term and d.counter = copied.counter`,
  noRow,
);
