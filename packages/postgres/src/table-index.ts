import { digestOf, type EntityIndex } from '@polyphase/core';
import { type RawBuilder, sql } from 'kysely';
import { isExact, partitionTerms, type SortTerm, scalarOf, sortTerms } from './sort-terms.ts';
import { textOf } from './statement.ts';
import { type Table, tableName } from './table.ts';

/** An index that a table must have. */
export interface TableIndex {
  readonly name: string;
  readonly unique: boolean;
  readonly create: RawBuilder<unknown>;
}

// Names are at most 63 bytes and live in the schema, not in the table. Each ends in a digest of the definition: an index that a
// changed schema needs in another form is another index.
function indexName({ entity }: Table, what: string, definition: RawBuilder<unknown>): string {
  const digest = digestOf(textOf(definition)).slice(0, 8);
  const name = `${entity.name}_${what}`;
  return `${/^[\w-]{1,54}$/.test(name) ? name : name.replaceAll(/[^\w-]/g, '').slice(0, 54)}_${digest}`;
}

function parts(terms: readonly SortTerm[]): readonly RawBuilder<unknown>[] {
  return terms.map(({ expression, notNull }) =>
    notNull === true ? sql`${expression}` : sql`(${expression}) nulls first`,
  );
}

/** The expressions that an index has as unique, the partition apart. */
export function uniqueParts(table: Table, { fields }: EntityIndex): readonly RawBuilder<unknown>[] {
  return fields.flatMap((field) => {
    const column = table.columns.find((it) => it.field === field);
    const rest = sql`(nullif(hyb_rest -> ${sql.lit(field)}, 'null'::jsonb))`;
    if (field === table.entity.key.id) return [sql.id(table.idColumn)];
    if (!column) return [rest];
    if (column.native !== undefined && isExact(table.entity, field)) return [scalarOf(column)];
    if (column.native !== undefined) return [scalarOf(column), rest];
    // A missing value counts as null, and another type than the column's is in the rest: both parts together are the value.
    return isExact(table.entity, field) ? [sql.id(column.name)] : [sql.id(column.name), rest];
  });
}

/** The indexes of an entity's table: its partition's order, its buckets, and for each declared index one across and one inside partitions. */
export function indexesOf(table: Table): readonly TableIndex[] {
  const { entity } = table;
  const id = sql.id(table.idColumn);
  const levels = partitionTerms(table).flatMap(parts);
  const make = (
    what: string,
    columns: readonly RawBuilder<unknown>[],
    where: RawBuilder<unknown>,
  ): TableIndex => {
    const definition = sql`${tableName(table)} (${sql.join(columns)}) ${where}`;
    const name = indexName(table, what, definition);
    return { name, unique: false, create: sql`create index if not exists ${sql.id(name)} on ${definition}` };
  };
  const live = sql`where not hyb_deleted`;
  const declared = entity.indexes.flatMap((index): readonly TableIndex[] => {
    const what = index.fields.join('_');
    const fields = index.fields.flatMap((field) => parts(sortTerms(table, [field])));
    const across = make(`by_${what}`, [...fields, ...levels, id], live);
    const inside = make(`in_${what}`, [sql`hyb_pk`, ...fields, id], live);
    if (index.unique === undefined) return [across, inside];
    const scope = index.unique === 'partition' ? [sql`hyb_pk`] : [];
    const definition = sql`
      ${tableName(table)} (${sql.join([...scope, ...uniqueParts(table, index)])}) nulls not distinct
      where not hyb_deleted and not hyb_clash`;
    const name = indexName(table, `unique_${what}`, definition);
    const unique = sql`create unique index if not exists ${sql.id(name)} on ${definition}`;
    return [across, inside, { name, unique: true, create: unique }];
  });
  return [
    make('by_partition', [...levels, id], live),
    make('by_bucket', [sql`hyb_bucket`, sql`hyb_pk`, id], sql``),
    make('clashing', [sql`hyb_pk`, id], sql`where hyb_clash`),
    ...declared,
  ];
}
