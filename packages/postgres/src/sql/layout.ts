import { type RawBuilder, sql } from 'kysely';
import type { TableId } from '../table.ts';

/**
 * Subquery for the layout that the table has now. Whoever reads or writes rows compares it with the layout that its statement was
 * made for, so that a process that started before a column was added never misses what another put there.
 */
export function layoutOf({ schema, name }: TableId): RawBuilder<unknown> {
  return sql`(
    select layout from polyphase.entity_table
    where schema_name = ${sql.lit(schema)} and table_name = ${sql.lit(name)}
  )`;
}
