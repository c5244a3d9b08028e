import { partitionText, type RecordKey, type StoredRecord } from '@polyphase/core';
import { sql } from 'kysely';
import { defineStatement, numberCell, type Statement } from '../statement.ts';
import { fromRow, readColumns, type Table, tableName } from '../table.ts';
import { layoutOf } from './layout.ts';

/** A record, and the layout of its table at the moment of reading. */
export interface ReadRow {
  readonly record: StoredRecord;
  readonly layout: number;
}

/** Reads one record by its key. */
export function readRecord(table: Table): Statement<RecordKey, ReadRow> {
  const names = readColumns(table);
  return defineStatement<RecordKey, ReadRow>(
    (slot) => sql`
      select ${sql.join(names)}, ${layoutOf(table)}
      from ${tableName(table)}
      where hyb_pk = ${slot((key) => partitionText(key.partition))}::text
        and ${sql.id(table.idColumn)} = ${slot((key) => key.id)}::text`,
    (cells) => ({ record: fromRow(table, cells), layout: numberCell(cells[names.length]) }),
  );
}
