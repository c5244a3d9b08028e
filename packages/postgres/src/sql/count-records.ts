import { sql } from 'kysely';
import { defineStatement, numberCell, type Statement } from '../statement.ts';
import { liveSql, type Table, tableName } from '../table.ts';

/** Counts the live records of a table. */
export function countRecords(table: Table): Statement<undefined, number> {
  return defineStatement<undefined, number>(
    () => sql`select count(*) from ${tableName(table)} where ${liveSql()}`,
    ([count]) => numberCell(count),
  );
}
