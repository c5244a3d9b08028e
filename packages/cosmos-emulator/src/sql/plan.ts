import type { PartitionKey, PartitionKeyDefinition } from '../partition/partition-key.ts';
import { maximumKey, minimumKey, prefixRange } from '../partition/partition-ranges.ts';
import { queryError } from '../service-error.ts';
import type { Expression, Query } from './ast.ts';
import { constantOf, type Parameters } from './constant.ts';
import { type DistinctCount, distinctCountOf } from './distinct-count.ts';
import { printExpression } from './print.ts';
import type { PreparedQuery } from './query-engine.ts';
import { type Rewrite, rewriteQuery } from './rewrite.ts';

/** What a client needs to run a query over several partitions: what to ask of each, and how to merge the answers. */
export interface QueryPlan {
  readonly partitionedQueryExecutionInfoVersion: number;
  readonly queryInfo: QueryInfo;
  readonly queryRanges: readonly QueryRange[];
}

/** The part of a plan that says how answers merge. */
export interface QueryInfo extends Rewrite {
  readonly distinctType: 'None' | 'Ordered' | 'Unordered';
  readonly top: number | null;
  readonly offset: number | null;
  readonly limit: number | null;
  readonly orderBy: ReadonlyArray<'Ascending' | 'Descending'>;
  readonly orderByExpressions: readonly string[];
  readonly hasSelectValue: boolean;
  readonly dCountInfo: { readonly dCountAlias: string } | null;
  readonly hasNonStreamingOrderBy: boolean;
}

/** A stretch of effective partition keys in which results can lie. */
export interface QueryRange {
  readonly min: string;
  readonly max: string;
  readonly isMinInclusive: boolean;
  readonly isMaxInclusive: boolean;
}

/** Plans a query for clients that merge partitions. Throws 400 for what cannot be merged. */
export function planQuery(
  prepared: PreparedQuery,
  parameters: Parameters,
  partitionKey: PartitionKeyDefinition,
): QueryPlan {
  const counted = distinctCountOf(prepared.query);
  return {
    partitionedQueryExecutionInfoVersion: 2,
    queryInfo: queryInfo(counted?.distinct ?? prepared.query, parameters, counted),
    queryRanges: queryRanges(prepared, parameters, partitionKey),
  };
}

function queryInfo(query: Query, parameters: Parameters, counted: DistinctCount | undefined): QueryInfo {
  const cut = {
    top: count(query.top, parameters),
    offset: query.limit === undefined ? null : (count(query.offset, parameters) ?? 0),
    limit: count(query.limit, parameters),
  };
  const { rewrittenQuery, ...groups } = rewriteQuery(query, cut, counted !== undefined);
  return {
    distinctType: distinctType(query),
    ...cut,
    orderBy: query.orderBy.map((term) => (term.descending ? 'Descending' : 'Ascending')),
    orderByExpressions: query.orderBy.map((term) => printExpression(term.expression)),
    ...groups,
    rewrittenQuery,
    hasSelectValue: counted?.bare ?? query.select.kind === 'value',
    dCountInfo: counted === undefined ? null : { dCountAlias: counted.alias },
    hasNonStreamingOrderBy: false,
  };
}

/** Gives the ranges that hold every result, in order: none where the filter contradicts itself. */
export function queryRanges(
  prepared: PreparedQuery,
  parameters: Parameters,
  partitionKey: PartitionKeyDefinition,
): QueryRange[] {
  const { keys } = prepared.access(parameters);
  if (keys === undefined)
    return [{ min: minimumKey, max: maximumKey, isMinInclusive: true, isMaxInclusive: false }];
  const ranges = new Map(keys.map((key) => rangeOf(key, partitionKey)).map((range) => [range.min, range]));
  return [...ranges.values()].toSorted((left, right) => (left.min < right.min ? -1 : 1));
}

/** A whole key is a point; under a prefix of a hierarchical key lie all that start with it. */
function rangeOf(key: PartitionKey, partitionKey: PartitionKeyDefinition): QueryRange {
  const whole = key.length === partitionKey.paths.length;
  const { min, max } = prefixRange(key, partitionKey);
  return { min, max: whole ? min : max, isMinInclusive: true, isMaxInclusive: whole };
}

/** Duplicates lie side by side only where the whole result is one value, and the order goes by that value. */
function distinctType({ distinct, select, orderBy }: Query): QueryInfo['distinctType'] {
  if (!distinct) return 'None';
  const [term, ...others] = orderBy;
  if (select.kind !== 'value' || term === undefined || others.length > 0) return 'Unordered';
  return printExpression(select.expression) === printExpression(term.expression) ? 'Ordered' : 'Unordered';
}

function count(expression: Expression | undefined, parameters: Parameters): number | null {
  if (expression === undefined) return null;
  const value = constantOf(expression)?.(parameters);
  if (typeof value === 'number' && Number.isInteger(value) && value >= 0) return value;
  throw queryError('TOP, OFFSET and LIMIT take a non-negative integer.', 'SC2062');
}
