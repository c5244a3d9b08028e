import { type RawBuilder, sql } from 'kysely';
import { defineStatement, noRow, type Statement } from '../statement.ts';
import { type Table, tableName, writeColumns } from '../table.ts';
import { uniqueParts } from '../table-index.ts';
import type { RowInput } from './store-record.ts';

/**
 * Frees the unique values that a record wants from rows that have expired: they leave the unique indexes, and are else as before.
 * Undefined where no row of the table is in the way of another after its time.
 */
export function freeUnique(table: Table): Statement<RowInput, undefined> | undefined {
  const indexes = table.entity.indexes.filter(({ unique }) => unique !== undefined);
  if (table.entity.ttl === undefined || indexes.length === 0) return undefined;
  // Inside the subquery the names are those of the new row.
  const shares = (part: RawBuilder<unknown>): RawBuilder<unknown> => {
    const wanted = sql`(select ${part} from wanted)`;
    return sql`(${part} = ${wanted} or (${part} is null and ${wanted} is null))`;
  };
  const taken = indexes.map((index) => {
    const scope = index.unique === 'partition' ? [sql`hyb_pk`] : [];
    return sql`(${sql.join([...scope, ...uniqueParts(table, index)].map(shares), sql` and `)})`;
  });
  return defineStatement<RowInput, undefined>(
    (slot) => sql`
      with wanted as materialized (
        select ${sql.join(
          writeColumns(table).map(
            ({ name, type }, i) =>
              sql`${slot((it) => it.cells[i] ?? null)}::${sql.raw(type)} as ${sql.id(name)}`,
          ),
        )}
      )
      update ${tableName(table)} set hyb_clash = true
      where not hyb_deleted and not hyb_clash and hyb_expires_at <= statement_timestamp()
        and (${sql.join(taken, sql` or `)})`,
    noRow,
  );
}
