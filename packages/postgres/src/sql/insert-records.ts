import { type RawBuilder, sql } from 'kysely';
import type { Cell } from '../driver.ts';
import {
  arrayLiteral,
  defineStatement,
  lines,
  type SlotMaker,
  type Statement,
  textCell,
} from '../statement.ts';
import { type Table, tableName, writeColumns } from '../table.ts';

/** The cells of many records, column by column. */
export interface RowsInput {
  readonly columns: readonly (readonly Cell[])[];
  /** Whether the rows are kept out of the unique indexes: a unique value is taken, by a row whose change has not arrived yet. */
  readonly clash: boolean;
}

/** Key of a row that was stored. */
export interface StoredKey {
  readonly pk: string;
  readonly id: string;
}

/** The input of {@link insertRecords} and `updateRecords` for rows by `toRow`, which are in the order of their keys, as locks are. */
export function rowsInput(table: Table, rows: readonly (readonly Cell[])[], clash: boolean): RowsInput {
  return { columns: writeColumns(table).map((_, i) => rows.map((row) => row[i] ?? null)), clash };
}

// The values of these types, and partition texts, are never empty and have no line break: JSON escapes it.
const LINES: ReadonlySet<string> = new Set([
  'int',
  'bigint',
  'smallint',
  'double precision',
  'boolean',
  'timestamptz',
  'jsonb',
]);

/** The rows of an input as a table, one array for each column, so that one text serves any number of rows. */
export function unnested(table: Table, slot: SlotMaker<RowsInput>): RawBuilder<unknown> {
  const columns = writeColumns(table);
  const arrays = columns.map(({ name, type }, i) =>
    name === 'hyb_pk' || LINES.has(type)
      ? sql`string_to_array(${slot((input) => lines(input.columns[i] ?? []))}::text, E'\\n', '')::${sql.raw(type)}[]`
      : sql`${slot((input) => arrayLiteral(input.columns[i] ?? []))}::${sql.raw(type)}[]`,
  );
  return sql`unnest(${sql.join(arrays)}) as rows (${sql.join(columns.map(({ name }) => sql.id(name)))})`;
}

/** Inserts many records, those left out whose key is there by now; answers with the keys that were inserted. */
export function insertRecords(table: Table): Statement<RowsInput, StoredKey> {
  const names = writeColumns(table).map(({ name }) => sql.id(name));
  const id = sql.id(table.idColumn);
  return defineStatement<RowsInput, StoredKey>(
    (slot) => sql`
      insert into ${tableName(table)} (${sql.join(names)}, hyb_clash)
      select ${sql.join(names)}, ${slot((input) => String(input.clash))}::boolean
      from ${unnested(table, slot)}
      on conflict (hyb_pk, ${id}) do nothing
      returning hyb_pk, ${id}`,
    ([pk, rowId]) => ({ pk: textCell(pk), id: textCell(rowId) }),
  );
}
