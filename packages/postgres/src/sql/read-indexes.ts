import { sql } from 'kysely';
import { defineStatement, type Statement, textCell } from '../statement.ts';
import type { TableId } from '../table.ts';

/** An index as the catalog has it. */
export interface ActualIndex {
  readonly name: string;
  readonly unique: boolean;
  readonly valid: boolean;
}

/** Reads the indexes of an entity's table from the catalog. */
export const readIndexes: Statement<TableId, ActualIndex> = defineStatement(
  (slot) => sql`
      select i.relname, x.indisunique, x.indisvalid
      from pg_index as x
      join pg_class as i on i.oid = x.indexrelid
      join pg_class as t on t.oid = x.indrelid
      join pg_namespace as n on n.oid = t.relnamespace
      where n.nspname = ${slot(({ schema }) => schema)}::text and t.relname = ${slot(({ name }) => name)}::text`,
  ([name, unique, valid]) => ({ name: textCell(name), unique: unique === 't', valid: valid === 't' }),
);
