import { partitionText, type RecordKey } from '@polyphase/core';
import { sql } from 'kysely';
import { arrayLiteral, defineStatement, numberCell, type Statement } from '../statement.ts';
import { fromRow, readColumns, type Table, tableName } from '../table.ts';
import { layoutOf } from './layout.ts';
import type { ReadRow } from './read-record.ts';

/** Reads the records of many keys, in no particular order. */
export function readRecords(table: Table): Statement<readonly RecordKey[], ReadRow> {
  const names = readColumns(table, 't');
  return defineStatement<readonly RecordKey[], ReadRow>(
    (slot) => sql`
      select ${sql.join(names)}, ${layoutOf(table)}
      from unnest(
        ${slot((keys) => arrayLiteral(keys.map((key) => partitionText(key.partition))))}::text[],
        ${slot((keys) => arrayLiteral(keys.map((key) => key.id)))}::text[]
      ) as wanted (pk, id)
      join ${tableName(table)} as t on t.hyb_pk = wanted.pk and ${sql.id('t', table.idColumn)} = wanted.id`,
    (cells) => ({ record: fromRow(table, cells), layout: numberCell(cells[names.length]) }),
  );
}
