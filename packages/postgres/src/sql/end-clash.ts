import { partitionText, type RecordKey } from '@polyphase/core';
import { sql } from 'kysely';
import { defineStatement, noRow, type Statement } from '../statement.ts';
import { type Table, tableName } from '../table.ts';

/** Brings a row back into the unique indexes; a unique violation says that its value is still taken. */
export function endClash(table: Table): Statement<RecordKey, undefined> {
  return defineStatement<RecordKey, undefined>(
    (slot) => sql`
      update ${tableName(table)} set hyb_clash = false
      where hyb_clash and hyb_pk = ${slot((key) => partitionText(key.partition))}::text
        and ${sql.id(table.idColumn)} = ${slot((key) => key.id)}::text`,
    noRow,
  );
}
