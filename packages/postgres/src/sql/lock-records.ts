import type { RecordKey, StoredRecord } from '@polyphase/core';
import { sql } from 'kysely';
import { defineStatement, type Statement } from '../statement.ts';
import { fromRow, readColumns, type Table, tableName } from '../table.ts';
import { wantedKeys } from './wanted-keys.ts';

/** Reads many records and locks them, always in the order of their keys, so that two pages cannot wait for each other. */
export function lockRecords(table: Table): Statement<readonly RecordKey[], StoredRecord> {
  const names = readColumns(table, 't');
  return defineStatement<readonly RecordKey[], StoredRecord>(
    (slot) => sql`
      select ${sql.join(names)}
      from ${tableName(table)} as t
      where (t.hyb_pk, ${sql.id('t', table.idColumn)}) in (
        select * from unnest(${wantedKeys(slot)})
      )
      order by t.hyb_pk, ${sql.id('t', table.idColumn)}
      for update of t`,
    (cells) => fromRow(table, cells),
  );
}
