import type { PartitionKey } from '../partition/partition-key.ts';
import type { Expression, Query } from './ast.ts';
import { type Constant, constantsOf, type Parameters } from './constant.ts';
import { documentPath } from './document-path.ts';
import { keyFinder } from './key-constraint.ts';

/** Where a query needs to look; an absent part means "everywhere". */
export interface AccessPath {
  readonly ids: readonly string[] | undefined;
  /** Whole keys, and prefixes of hierarchical ones. */
  readonly keys: readonly PartitionKey[] | undefined;
}

/** Finds, for given parameters, which ids and which partition keys the filter asks for. */
export type AccessPathFinder = (parameters: Parameters) => AccessPath;

/** Reads the equalities of a filter once, so that each run looks only where results can be. */
export function accessPathFinder(query: Query, keyPaths: readonly string[]): AccessPathFinder {
  const onId = query.where === undefined ? undefined : idsIn(query.where, query);
  const keys = keyFinder(query, keyPaths);
  return (parameters) => ({
    ids: onId?.map((value) => value(parameters)).filter((id) => typeof id === 'string'),
    keys: keys(parameters),
  });
}

/** The constants of which every result must have one as its id. */
function idsIn(filter: Expression, query: Query): readonly Constant[] | undefined {
  if (filter.kind === 'and') return idsIn(filter.left, query) ?? idsIn(filter.right, query);
  if (filter.kind === 'in') return idsAmong(filter.operand, filter.items, query);
  if (filter.kind !== 'binary' || filter.operator !== '=') return undefined;
  const { left, right } = filter;
  return idsAmong(left, [right], query) ?? idsAmong(right, [left], query);
}

function idsAmong(
  property: Expression,
  values: readonly Expression[],
  query: Query,
): readonly Constant[] | undefined {
  const path = documentPath(property, query);
  return path?.length === 1 && path[0] === 'id' ? constantsOf(values) : undefined;
}
