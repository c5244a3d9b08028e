import type { Query, SelectItem } from './ast.ts';
import { derivedSource } from './derived-source.ts';
import { selectNames } from './run.ts';

/** A query that only counts the results of a DISTINCT query: clients merge those, and count them. */
export interface DistinctCount {
  readonly distinct: Query;
  /** The name of the count; empty where it stands bare. */
  readonly alias: string;
  /** Whether the count is the whole result, as SELECT VALUE gives it. */
  readonly bare: boolean;
}

/** Recognises `SELECT COUNT(1) FROM (SELECT DISTINCT …)`; undefined for every other query. */
export function distinctCountOf(query: Query): DistinctCount | undefined {
  const inner = derivedSource(query);
  if (inner === undefined) return undefined;
  const plain =
    query.from.length === 1 &&
    query.where === undefined &&
    query.groupBy.length === 0 &&
    query.orderBy.length === 0 &&
    query.top === undefined &&
    query.limit === undefined;
  const count = countOf(query);
  return plain && inner.distinct && count !== undefined ? { distinct: inner, ...count } : undefined;
}

function countOf({ select }: Query): Pick<DistinctCount, 'alias' | 'bare'> | undefined {
  if (select.kind === 'star') return undefined;
  const bare = select.kind === 'value';
  const items: readonly SelectItem[] = bare
    ? [{ expression: select.expression, alias: undefined }]
    : select.items;
  const [item, ...others] = items;
  if (item?.expression.kind !== 'aggregate' || others.length > 0) return undefined;
  const { name, argument } = item.expression;
  if (name !== 'COUNT' || argument.kind !== 'literal' || argument.value === undefined) return undefined;
  return { alias: bare ? '' : (selectNames(items)[0] ?? ''), bare };
}
