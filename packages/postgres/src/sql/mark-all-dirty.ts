import { sql } from 'kysely';
import { defineStatement, noRow, type Statement } from '../statement.ts';

/** Makes a dirty key of every record of a table, tombstones included; one that is there keeps its date. */
export function markAllDirty(table: {
  readonly schema: string;
  readonly entity: string;
  readonly idColumn: string;
}): Statement<string, undefined> {
  return defineStatement<string, undefined>(
    (slot) => sql`
      insert into polyphase.dirty_key as d (entity, hyb_pk, id, term, counter)
      select ${slot((entity) => entity)}::text, hyb_pk, ${sql.id(table.idColumn)}, hyb_term, hyb_counter
      from ${sql.id(table.schema, table.entity)}
      on conflict (entity, hyb_pk, id) do update set term = excluded.term, counter = excluded.counter
        where (d.term, d.counter) < (excluded.term, excluded.counter)`,
    noRow,
  );
}
