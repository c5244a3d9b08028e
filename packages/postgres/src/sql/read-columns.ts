import { sql } from 'kysely';
import { defineStatement, type Statement, textCell } from '../statement.ts';
import type { TableId } from '../table.ts';

/** A column as the catalog has it. */
export interface ActualColumn {
  readonly name: string;
  readonly type: string;
  /** Name of the collation; empty where the type has none. */
  readonly collation: string;
}

/** Reads the columns of an entity's table from the catalog. */
export const readColumnsThere: Statement<TableId, ActualColumn> = defineStatement(
  (slot) => sql`
      select a.attname, format_type(a.atttypid, a.atttypmod), c.collname
      from pg_attribute as a
      join pg_class as t on t.oid = a.attrelid
      join pg_namespace as n on n.oid = t.relnamespace
      left join pg_collation as c on c.oid = a.attcollation
      where n.nspname = ${slot(({ schema }) => schema)}::text and t.relname = ${slot(({ name }) => name)}::text
        and a.attnum > 0 and not a.attisdropped`,
  ([name, type, collation]) => ({
    name: textCell(name),
    type: textCell(type),
    collation: textCell(collation),
  }),
);
