import { partitionText, type RecordKey } from '@polyphase/core';
import { sql } from 'kysely';
import { defineStatement, type Statement } from '../statement.ts';
import { type Table, tableName } from '../table.ts';

/** Asks whether this transaction was the last to change a record: one row if so. */
export function changedHere(table: Table): Statement<RecordKey, true> {
  return defineStatement<RecordKey, true>(
    (slot) => sql`
      select true
      from ${tableName(table)}
      where hyb_pk = ${slot((key) => partitionText(key.partition))}::text
        and ${sql.id(table.idColumn)} = ${slot((key) => key.id)}::text
        and xmin = pg_current_xact_id()::xid`,
    () => true,
  );
}
