import { partitionOf, type RecordKey } from '@polyphase/core';
import { sql } from 'kysely';
import { defineStatement, type Statement, textCell } from '../statement.ts';
import { liveSql, type Table, tableName } from '../table.ts';

/** Keys of live rows that are kept out of the unique indexes, at most 100. */
export function listClashes(table: Table): Statement<undefined, RecordKey> {
  return defineStatement<undefined, RecordKey>(
    () => sql`
      select hyb_pk, ${sql.id(table.idColumn)} from ${tableName(table)}
      where hyb_clash and ${liveSql()} order by hyb_pk, ${sql.id(table.idColumn)} limit 100`,
    ([pk, id]) => ({ partition: partitionOf(textCell(pk)), id: textCell(id) }),
  );
}
