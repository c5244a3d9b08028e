import type { StoredRecord } from '@polyphase/core';
import { type RawBuilder, sql } from 'kysely';
import { defineStatement, noRow, type SlotMaker, type Statement } from '../statement.ts';
import { type Table, tableName, toRow, writeColumns } from '../table.ts';
import { markDirty } from './mark-dirty.ts';

/** A record with its cells, so that they are made once. */
export interface RowInput {
  readonly record: StoredRecord;
  readonly cells: readonly (string | null)[];
}

/** How a record is stored. */
export interface StoreOptions {
  /** Whether a row is there, and locked. Without one, a row that somebody else put there meanwhile stops the insert: 0 rows. */
  readonly over: boolean;
  /** Whether the key becomes dirty in the same statement. */
  readonly capture: boolean;
}

/** The input of {@link storeRecord}. */
export function rowInput(table: Table, record: StoredRecord): RowInput {
  return { record, cells: toRow(table, record) };
}

/** Stores one record: the command tag counts the rows. */
export function storeRecord(table: Table, { over, capture }: StoreOptions): Statement<RowInput, undefined> {
  return defineStatement<RowInput, undefined>((slot) => {
    const store = over ? updateOf(table, slot) : insertOf(table, slot);
    return capture ? captured(table, store, slot) : store;
  }, noRow);
}

function insertOf(table: Table, slot: SlotMaker<RowInput>): RawBuilder<unknown> {
  const columns = writeColumns(table);
  return sql`
    insert into ${tableName(table)} (${sql.join(columns.map(({ name }) => sql.id(name)))})
    values (${sql.join(columns.map(({ type }, i) => sql`${slot((it) => it.cells[i] ?? null)}::${sql.raw(type)}`))})
    on conflict (hyb_pk, ${sql.id(table.idColumn)}) do nothing`;
}

function updateOf(table: Table, slot: SlotMaker<RowInput>): RawBuilder<unknown> {
  const sets = writeColumns(table)
    .map(({ name, type }, i) => sql`${sql.id(name)} = ${slot((it) => it.cells[i] ?? null)}::${sql.raw(type)}`)
    .slice(2);
  return sql`
    update ${tableName(table)} set ${sql.join(sets)}, hyb_clash = false
    where hyb_pk = ${slot((it) => it.cells[0] ?? null)}::text
      and ${sql.id(table.idColumn)} = ${slot((it) => it.cells[1] ?? null)}::text`;
}

// One statement, so that no dirty key is left where no row was stored.
function captured(table: Table, store: RawBuilder<unknown>, slot: SlotMaker<RowInput>): RawBuilder<unknown> {
  return sql`
    with stored as (${store} returning hyb_term, hyb_counter)
    ${markDirty(table, sql`stored`, slot)}`;
}
