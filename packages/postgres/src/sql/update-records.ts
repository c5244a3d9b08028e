import { sql } from 'kysely';
import { defineStatement, type Statement, textCell } from '../statement.ts';
import { type Table, tableName, writeColumns } from '../table.ts';
import { type RowsInput, type StoredKey, unnested } from './insert-records.ts';

/** Replaces many rows that are there and locked, only by newer ones; answers with the keys that were replaced. */
export function updateRecords(table: Table): Statement<RowsInput, StoredKey> {
  const sets = writeColumns(table)
    .slice(2)
    .map(({ name }) => sql`${sql.id(name)} = ${sql.id('rows', name)}`);
  const id = table.idColumn;
  return defineStatement<RowsInput, StoredKey>(
    (slot) => sql`
      update ${tableName(table)} as t
      set ${sql.join(sets)}, hyb_clash = ${slot((input) => String(input.clash))}::boolean
      from ${unnested(table, slot)}
      where t.hyb_pk = rows.hyb_pk and ${sql.id('t', id)} = ${sql.id('rows', id)}
        and (t.hyb_term, t.hyb_counter) < (rows.hyb_term, rows.hyb_counter)
      returning t.hyb_pk, ${sql.id('t', id)}`,
    ([pk, rowId]) => ({ pk: textCell(pk), id: textCell(rowId) }),
  );
}
