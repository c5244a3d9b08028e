import { sql } from 'kysely';
import { defineStatement, numberCell, type Statement, textCell } from '../statement.ts';
import { type Column, type TableId, tableName } from '../table.ts';

/** How many values of a field are in its native column, and how many of its type are not, because they do not fit. */
export interface NativeCount {
  readonly field: string;
  readonly fit: number;
  readonly unfit: number;
}

/** Counts the values of each native column, in one pass over the table. */
export function countUnfit(table: TableId, columns: readonly Column[]): Statement<undefined, NativeCount> {
  const counts = columns.flatMap(({ field, name, type }) => {
    const jsonType = sql.lit(type === 'number' ? 'number' : 'string');
    return [
      sql`count(${sql.id(name)})`,
      sql`count(*) filter (where jsonb_typeof(hyb_rest -> ${sql.lit(field)}) = ${jsonType})`,
    ];
  });
  const fields = columns.map(({ field }) => sql.lit(field));
  return defineStatement<undefined, NativeCount>(
    () => sql`
      select field, counts[2 * number - 1], counts[2 * number]
      from (select array[${sql.join(counts)}] as counts from ${tableName(table)}) as counted,
        unnest(array[${sql.join(fields)}]) with ordinality as named (field, number)`,
    ([field, fit, unfit]) => ({ field: textCell(field), fit: numberCell(fit), unfit: numberCell(unfit) }),
  );
}
