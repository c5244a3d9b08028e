import type { Value } from '../json.ts';
import { effectivePartitionKey } from '../partition/effective-key.ts';
import { maximumKey, minimumKey } from '../partition/partition-ranges.ts';
import { queryError } from '../service-error.ts';
import type { ContainerProperties } from '../storage/container-properties.ts';
import type { AggregateName, Expression, ExpressionOf, Query } from './ast.ts';
import { printExpression, printFrom, printOrder, property } from './print.ts';
import type { PreparedQuery } from './query-engine.ts';
import { selectNames } from './run.ts';

/** What a client needs to run a query over several partitions: what to ask of each, and how to merge the answers. */
export interface QueryPlan {
  readonly partitionedQueryExecutionInfoVersion: number;
  readonly queryInfo: QueryInfo;
  readonly queryRanges: ReadonlyArray<{
    readonly min: string;
    readonly max: string;
    readonly isMinInclusive: boolean;
    readonly isMaxInclusive: boolean;
  }>;
}

/** The part of a plan that says how answers merge. */
interface QueryInfo {
  readonly distinctType: 'None' | 'Ordered' | 'Unordered';
  readonly top: number | null;
  readonly offset: number | null;
  readonly limit: number | null;
  readonly orderBy: ReadonlyArray<'Ascending' | 'Descending'>;
  readonly orderByExpressions: readonly string[];
  readonly groupByExpressions: readonly string[];
  readonly groupByAliases: readonly string[];
  readonly aggregates: readonly AggregateKind[];
  readonly groupByAliasToAggregateType: Readonly<Record<string, AggregateKind | null>>;
  readonly rewrittenQuery: string;
  readonly hasSelectValue: boolean;
  readonly dCountInfo: null;
  readonly hasNonStreamingOrderBy: boolean;
}

type AggregateKind = 'Average' | 'Count' | 'CountIf' | 'MakeList' | 'MakeSet' | 'Max' | 'Min' | 'Sum';
type Parameters = ReadonlyMap<string, Value>;
type Aggregate = ExpressionOf<'aggregate'>;

const kinds: Readonly<Record<AggregateName, AggregateKind>> = {
  AVG: 'Average',
  COUNT: 'Count',
  COUNTIF: 'CountIf',
  MAKELIST: 'MakeList',
  MAKESET: 'MakeSet',
  MAX: 'Max',
  MIN: 'Min',
  SUM: 'Sum',
};

/** What each partition reports for an aggregate, so that reports can be merged. */
const partials: Readonly<Record<AggregateName, (argument: string) => string>> = {
  AVG: (argument) => `{"sum": SUM(${argument}), "count": COUNT(${argument})}`,
  COUNT: (argument) => `COUNT(${argument})`,
  COUNTIF: (argument) => `COUNTIF(${argument})`,
  MAKELIST: (argument) => `MAKELIST(${argument})`,
  MAKESET: (argument) => `MAKESET(${argument})`,
  MAX: (argument) => `{"max": MAX(${argument}), "count": COUNT(${argument})}`,
  MIN: (argument) => `{"min": MIN(${argument}), "count": COUNT(${argument})}`,
  SUM: (argument) => `SUM(${argument})`,
};

/** The place where clients put their own filter when they resume an ordered query. */
const resumeFilter = '{documentdb-formattableorderbyquery-filter}';

/** Plans a query for clients that merge partitions. Throws 400 for what cannot be merged. */
export function planQuery(
  prepared: PreparedQuery,
  parameters: Parameters,
  container: ContainerProperties,
): QueryPlan {
  const { query } = prepared;
  const grouped = query.groupBy.length > 0 || aggregatesOf(query).length > 0;
  const merge = grouped ? groupInfo(query) : orderInfo(query, parameters);
  return {
    partitionedQueryExecutionInfoVersion: 2,
    queryInfo: {
      distinctType: distinctType(query),
      top: count(query.top, parameters),
      offset: query.limit === undefined ? null : (count(query.offset, parameters) ?? 0),
      limit: count(query.limit, parameters),
      orderBy: query.orderBy.map((term) => (term.descending ? 'Descending' : 'Ascending')),
      orderByExpressions: query.orderBy.map((term) => printExpression(term.expression)),
      hasSelectValue: query.select.kind === 'value',
      dCountInfo: null,
      hasNonStreamingOrderBy: false,
      ...merge,
    },
    queryRanges: queryRanges(prepared, parameters, container),
  };
}

function queryRanges(
  prepared: PreparedQuery,
  parameters: Parameters,
  { partitionKey }: ContainerProperties,
): QueryPlan['queryRanges'] {
  const { key } = prepared.access(parameters);
  if (key === undefined)
    return [{ min: minimumKey, max: maximumKey, isMinInclusive: true, isMaxInclusive: false }];
  const point = effectivePartitionKey(key, partitionKey);
  return [{ min: point, max: point, isMinInclusive: true, isMaxInclusive: true }];
}

type Merge = Pick<
  QueryInfo,
  'groupByExpressions' | 'groupByAliases' | 'aggregates' | 'groupByAliasToAggregateType' | 'rewrittenQuery'
>;

const noGroups: Omit<Merge, 'rewrittenQuery'> = {
  groupByExpressions: [],
  groupByAliases: [],
  aggregates: [],
  groupByAliasToAggregateType: {},
};

function orderInfo(query: Query, parameters: Parameters): Merge {
  if (query.orderBy.length === 0 && query.limit === undefined) return { ...noGroups, rewrittenQuery: '' };
  return {
    ...noGroups,
    rewrittenQuery: query.orderBy.length > 0 ? ordered(query, parameters) : cut(query, parameters),
  };
}

/** Each partition gives as many results as the client may need from it alone. */
function cut(query: Query, parameters: Parameters): string {
  const distinct = query.distinct ? 'DISTINCT ' : '';
  return `SELECT ${distinct}${payloadOf(query)}${printFrom(query.from)}${filter(query)}${limitOf(query, parameters)}`;
}

function ordered(query: Query, parameters: Parameters): string {
  const root = query.from[0]?.alias ?? 'c';
  const items = query.orderBy.map(({ expression }) => `{"item": ${printExpression(expression)}}`).join(', ');
  const top = query.top === undefined || query.distinct ? '' : `TOP ${count(query.top, parameters) ?? 0} `;
  const where = query.where === undefined ? '' : `(${printExpression(query.where)}) AND `;
  const head = `SELECT ${top}${root}._rid, [${items}] AS orderByItems, ${payload(query)} AS payload`;
  return `${head}${printFrom(query.from)}\nWHERE ${where}(${resumeFilter})${printOrder(query)}${limitOf(query, parameters)}`;
}

/** Duplicates are dropped by the client, after the merge: before that, a limit would cut too much. */
function limitOf(query: Query, parameters: Parameters): string {
  const limit = count(query.limit, parameters);
  if (limit === null || query.distinct) return '';
  return `\nOFFSET 0 LIMIT ${limit + (count(query.offset, parameters) ?? 0)}`;
}

function payloadOf(query: Query): string {
  if (query.select.kind === 'star') return '*';
  return `VALUE ${payload(query)}`;
}

/** The result of one row, as one expression. */
function payload({ select, from }: Query): string {
  if (select.kind === 'star') return from[0]?.alias ?? 'c';
  if (select.kind === 'value') return printExpression(select.expression);
  const names = selectNames(select.items);
  const properties = select.items.map(({ expression }, at) =>
    property(names[at] ?? '', printExpression(expression)),
  );
  return `{${properties.join(', ')}}`;
}

function groupInfo(query: Query): Merge {
  const { select, groupBy } = query;
  const groups = groupBy.map((expression) => printExpression(expression));
  const keys =
    groups.length === 0
      ? ''
      : `[${groups.map((group) => `{"item": ${group}}`).join(', ')}] AS groupByItems, `;
  const tail = `${printFrom(query.from)}${filter(query)}${groups.length === 0 ? '' : `\nGROUP BY ${groups.join(', ')}`}`;
  if (select.kind === 'value') {
    const aggregate = wholeAggregate(select.expression);
    const value = aggregate === undefined ? printExpression(select.expression) : `[${partial(aggregate)}]`;
    return {
      ...noGroups,
      groupByExpressions: groups,
      aggregates: aggregate === undefined ? [] : [kinds[aggregate.name]],
      rewrittenQuery: `SELECT ${groups.length === 0 ? `VALUE ${value}` : `${keys}${value} AS payload`}${tail}`,
    };
  }
  const items = select.kind === 'list' ? select.items : [];
  const names = selectNames(items);
  const aggregates = items.map(({ expression }) => wholeAggregate(expression));
  const properties = items.map(({ expression }, at) => {
    const aggregate = aggregates[at];
    return property(
      names[at] ?? '',
      aggregate === undefined ? printExpression(expression) : partial(aggregate),
    );
  });
  return {
    groupByExpressions: groups,
    groupByAliases: names,
    aggregates: [],
    groupByAliasToAggregateType: Object.fromEntries(
      names.map((name, at) => [name, kindOf(aggregates[at])] as const),
    ),
    rewrittenQuery: `SELECT ${keys}{${properties.join(', ')}} AS payload${tail}`,
  };
}

function kindOf(aggregate: Aggregate | undefined): AggregateKind | null {
  return aggregate === undefined ? null : kinds[aggregate.name];
}

function partial({ name, argument }: Aggregate): string {
  return `{"item": ${partials[name](printExpression(argument))}}`;
}

/** An expression that is an aggregate and nothing else. Throws for one that only holds an aggregate. */
function wholeAggregate(expression: Expression): Aggregate | undefined {
  if (expression.kind === 'aggregate') return expression;
  const [inner] = aggregatesIn(expression);
  if (inner === undefined) return undefined;
  throw queryError('Compositions of aggregates and other expressions are not allowed.', 'SC2103', inner.span);
}

function filter({ where }: Query): string {
  return where === undefined ? '' : `\nWHERE ${printExpression(where)}`;
}

function distinctType(query: Query): QueryInfo['distinctType'] {
  if (!query.distinct) return 'None';
  const { select, orderBy } = query;
  const wanted = orderBy.map((term) => printExpression(term.expression));
  if (wanted.length !== 1) return 'Unordered';
  const selected =
    select.kind === 'value'
      ? [printExpression(select.expression)]
      : select.kind === 'list'
        ? select.items.map((item) => printExpression(item.expression))
        : [];
  return selected.length === 1 && selected[0] === wanted[0] ? 'Ordered' : 'Unordered';
}

function count(expression: Expression | undefined, parameters: Parameters): number | null {
  if (expression === undefined) return null;
  const value =
    expression.kind === 'literal'
      ? expression.value
      : expression.kind === 'parameter'
        ? parameters.get(expression.name)
        : undefined;
  if (typeof value === 'number' && Number.isInteger(value) && value >= 0) return value;
  throw queryError('TOP, OFFSET and LIMIT take a non-negative integer.', 'SC2062');
}

function aggregatesOf({ select }: Query): Aggregate[] {
  if (select.kind === 'value') return aggregatesIn(select.expression);
  return select.kind === 'list' ? select.items.flatMap(({ expression }) => aggregatesIn(expression)) : [];
}

/** Aggregates of an expression itself; those of its subqueries are their own. */
function aggregatesIn(expression: Expression): Aggregate[] {
  if (expression.kind === 'aggregate') return [expression];
  return childrenOf(expression).flatMap(aggregatesIn);
}

function childrenOf(expression: Expression): Expression[] {
  if ('query' in expression) return [];
  if (expression.kind === 'object') return expression.properties.map(([, value]) => value);
  const parts: unknown[] = Object.values(expression).flat();
  return parts.filter(isExpression);
}

function isExpression(part: unknown): part is Expression {
  return typeof part === 'object' && part !== null && 'kind' in part;
}
