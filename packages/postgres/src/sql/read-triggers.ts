import { sql } from 'kysely';
import { defineStatement, type Statement, textCell } from '../statement.ts';
import type { TableId } from '../table.ts';

/** Reads the names of a table's triggers that fire for everybody's writes. */
export const readTriggers: Statement<TableId, string> = defineStatement<TableId, string>(
  (slot) => sql`
    select g.tgname
    from pg_trigger as g
    join pg_class as t on t.oid = g.tgrelid
    join pg_namespace as n on n.oid = t.relnamespace
    where n.nspname = ${slot(({ schema }) => schema)}::text and t.relname = ${slot(({ name }) => name)}::text
      and g.tgenabled in ('O', 'A')`,
  ([name]) => textCell(name),
);
