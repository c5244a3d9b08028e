import type { RecordKey } from '@polyphase/core';
import { sql } from 'kysely';
import { defineStatement, numberCell, type Statement } from '../statement.ts';
import { fromRow, readColumns, type Table, tableName } from '../table.ts';
import { layoutOf } from './layout.ts';
import type { ReadRow } from './read-record.ts';
import { wantedKeys } from './wanted-keys.ts';

/** A record that was asked for with others. */
export interface WantedRow extends ReadRow {
  /** Place of its key among the keys. */
  readonly place: number;
}

/** Reads the records of many keys, in no particular order, each as often as its key was asked for. */
export function readRecords(table: Table): Statement<readonly RecordKey[], WantedRow> {
  const names = readColumns(table, 't');
  return defineStatement<readonly RecordKey[], WantedRow>(
    (slot) => sql`
      select ${sql.join(names)}, ${layoutOf(table)}, wanted.place
      from unnest(${wantedKeys(slot)}) with ordinality as wanted (pk, id, place)
      join ${tableName(table)} as t on t.hyb_pk = wanted.pk and ${sql.id('t', table.idColumn)} = wanted.id`,
    (cells) => ({
      record: fromRow(table, cells),
      layout: numberCell(cells[names.length]),
      place: numberCell(cells[names.length + 1]) - 1,
    }),
  );
}
