import { sql } from 'kysely';
import { defineStatement, noRow, type Statement } from '../statement.ts';
import { type Table, type TableId, tableName } from '../table.ts';

/** Makes a dirty key of every record of a table, tombstones included; one that is there keeps its date. */
export function markAllDirty(table: TableId & Pick<Table, 'idColumn'>): Statement<string, undefined> {
  return defineStatement<string, undefined>(
    (slot) => sql`
      insert into polyphase.dirty_key as d (entity, hyb_pk, id, term, counter)
      select ${slot((entity) => entity)}::text, hyb_pk, ${sql.id(table.idColumn)}, hyb_term, hyb_counter
      from ${tableName(table)}
      on conflict (entity, hyb_pk, id) do update set term = excluded.term, counter = excluded.counter
        where (d.term, d.counter) < (excluded.term, excluded.counter)`,
    noRow,
  );
}
