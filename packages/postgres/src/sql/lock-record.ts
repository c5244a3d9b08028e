import { partitionText, type RecordKey, type StoredRecord } from '@polyphase/core';
import { sql } from 'kysely';
import { defineStatement, type Statement } from '../statement.ts';
import { fromRow, readColumns, type Table, tableName } from '../table.ts';

/** Reads one record and keeps every other writer of it out until the transaction ends. */
export function lockRecord(table: Table): Statement<RecordKey, StoredRecord> {
  const names = readColumns(table);
  return defineStatement<RecordKey, StoredRecord>(
    (slot) => sql`
      select ${sql.join(names)}
      from ${tableName(table)}
      where hyb_pk = ${slot((key) => partitionText(key.partition))}::text
        and ${sql.id(table.idColumn)} = ${slot((key) => key.id)}::text
      for update`,
    (cells) => fromRow(table, cells),
  );
}
