import { sql } from 'kysely';
import { defineStatement, noRow, type Statement } from '../statement.ts';
import { type Table, tableName } from '../table.ts';

/** Takes rows that have expired out of the unique indexes, at most 1,000. */
export function freeExpired(table: Table): Statement<undefined, undefined> {
  const name = tableName(table);
  return defineStatement<undefined, undefined>(
    () => sql`
      update ${name} set hyb_clash = true
      where ctid in (
        select ctid from ${name}
        where not hyb_deleted and not hyb_clash and hyb_expires_at <= statement_timestamp()
        limit 1000 for update skip locked
      )`,
    noRow,
  );
}
