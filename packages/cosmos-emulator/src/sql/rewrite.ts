import { queryError } from '../service-error.ts';
import type { AggregateName, Expression, ExpressionOf, Query } from './ast.ts';
import { printExpression, printFrom, printOrder, printQuery, property } from './print.ts';
import { selectNames } from './run.ts';
import { childrenOf, selectedBy } from './visit.ts';

/** What each partition is asked, and how the client puts groups and aggregates together. */
export interface Rewrite {
  readonly groupByExpressions: readonly string[];
  readonly groupByAliases: readonly string[];
  readonly aggregates: readonly AggregateKind[];
  readonly groupByAliasToAggregateType: Readonly<Record<string, AggregateKind | null>>;
  /** Empty where each partition is asked the query as it is. */
  readonly rewrittenQuery: string;
}

/** The names by which plans call aggregates. */
export type AggregateKind = 'Average' | 'Count' | 'CountIf' | 'MakeList' | 'MakeSet' | 'Max' | 'Min' | 'Sum';

/** The numbers after TOP, OFFSET and LIMIT. */
interface Cut {
  readonly top: number | null;
  readonly offset: number | null;
  readonly limit: number | null;
}

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

/** What each partition reports for an aggregate, so that reports merge: a mean as its parts, an extreme with its count. */
const partials: Readonly<Record<AggregateName, (argument: string) => string>> = {
  AVG: (argument) => `{"item": {"sum": SUM(${argument}), "count": COUNT(${argument})}}`,
  COUNT: (argument) => `{"item": COUNT(${argument})}`,
  COUNTIF: (argument) => `{"item": COUNTIF(${argument})}`,
  MAKELIST: (argument) => `{"item": MAKELIST(${argument})}`,
  MAKESET: (argument) => `{"item": MAKESET(${argument})}`,
  MAX: (argument) =>
    `{"item": MAX(${argument}), "item2": {"max": MAX(${argument}), "count": COUNT(${argument})}}`,
  MIN: (argument) =>
    `{"item": MIN(${argument}), "item2": {"min": MIN(${argument}), "count": COUNT(${argument})}}`,
  SUM: (argument) => `{"item": SUM(${argument})}`,
};

/** The place where clients put their own filter when they resume an ordered query. */
const resumeFilter = '({documentdb-formattableorderbyquery-filter})';

const noGroups: Omit<Rewrite, 'rewrittenQuery'> = {
  groupByExpressions: [],
  groupByAliases: [],
  aggregates: [],
  groupByAliasToAggregateType: {},
};

/**
 * Rewrites a query so that answers of partitions merge: groups with partial aggregates, ordered results with what they
 * are ordered by, and limits that leave enough from each. `always` prints also what needs no change. Throws 400 for
 * aggregates inside other expressions.
 */
export function rewriteQuery(query: Query, cut: Cut, always: boolean): Rewrite {
  if (query.groupBy.length > 0 || hasAggregate(query)) return grouped(query);
  if (query.orderBy.length > 0) return { ...noGroups, rewrittenQuery: ordered(query, cut) };
  if (query.limit === undefined) return { ...noGroups, rewrittenQuery: always ? printQuery(query) : '' };
  return {
    ...noGroups,
    rewrittenQuery: printQuery({ ...query, offset: undefined, limit: undefined }) + firstOnes(cut),
  };
}

/** As many results as the client may need from one partition alone. */
function firstOnes({ offset, limit }: Cut): string {
  return limit === null ? '' : `\nOFFSET 0 LIMIT ${(offset ?? 0) + limit}`;
}

/** Duplicates are dropped by the client, after the merge: before that, a limit would cut too much. */
function ordered(query: Query, cut: Cut): string {
  const { from, where, orderBy, distinct, top } = query;
  const items = orderBy.map(({ expression }) => `{"item": ${printExpression(expression)}}`).join(', ');
  const limited = distinct || top === undefined ? '' : `TOP ${printExpression(top)} `;
  const filter = where === undefined ? resumeFilter : `(${printExpression(where)} AND ${resumeFilter})`;
  const head = `SELECT ${limited}${rootName(query)}._rid, [${items}] AS orderByItems, ${payload(query)} AS payload`;
  return `${head}${printFrom(from)}\nWHERE ${filter}${printOrder(query)}${distinct ? '' : firstOnes(cut)}`;
}

function rootName({ from }: Query): string {
  return from[0]?.alias ?? 'c';
}

/** The result of one row, as one expression. */
function payload(query: Query): string {
  const { select } = query;
  if (select.kind === 'star') return rootName(query);
  if (select.kind === 'value') return printExpression(select.expression);
  const names = selectNames(select.items);
  return objectOf(names, (at) => printExpression(itemAt(select.items, at)));
}

function itemAt(items: ReadonlyArray<{ readonly expression: Expression }>, at: number): Expression {
  return items[at]?.expression ?? { kind: 'literal', value: undefined };
}

function objectOf(names: readonly string[], print: (at: number) => string): string {
  return `{${names.map((name, at) => property(name, print(at))).join(', ')}}`;
}

function grouped(query: Query): Rewrite {
  const groups = query.groupBy.map((expression) => printExpression(expression));
  const select = query.select.kind === 'value' ? groupedValue(query.select.expression) : groupedList(query);
  const keys = `[${groups.map((group) => `{"item": ${group}}`).join(', ')}] AS groupByItems, `;
  const head =
    groups.length > 0
      ? `${keys}${select.payload} AS payload`
      : query.select.kind === 'value'
        ? `VALUE ${select.payload}`
        : `${select.payload} AS payload`;
  const where = query.where === undefined ? '' : `\nWHERE ${printExpression(query.where)}`;
  const group = groups.length === 0 ? '' : `\nGROUP BY ${groups.join(', ')}`;
  return {
    groupByExpressions: groups,
    groupByAliases: select.aliases,
    aggregates: select.aggregates,
    groupByAliasToAggregateType: Object.fromEntries(select.types),
    rewrittenQuery: `SELECT ${head}${printFrom(query.from)}${where}${group}`,
  };
}

/** What SELECT of a grouped query becomes. */
interface GroupedSelect {
  readonly payload: string;
  readonly aliases: readonly string[];
  readonly aggregates: readonly AggregateKind[];
  readonly types: ReadonlyArray<readonly [string, AggregateKind | null]>;
}

function groupedValue(expression: Expression): GroupedSelect {
  const aggregate = wholeAggregate(expression);
  if (aggregate === undefined)
    return { payload: printExpression(expression), aliases: [], aggregates: [], types: [] };
  return { payload: `[${partial(aggregate)}]`, aliases: [], aggregates: [kinds[aggregate.name]], types: [] };
}

function groupedList({ select }: Query): GroupedSelect {
  const items = select.kind === 'list' ? select.items : [];
  const aliases = selectNames(items);
  const aggregates = items.map(({ expression }) => wholeAggregate(expression));
  return {
    payload: objectOf(aliases, (at) => {
      const aggregate = aggregates[at];
      return aggregate === undefined ? printExpression(itemAt(items, at)) : partial(aggregate);
    }),
    aliases,
    aggregates: [],
    types: aliases.map((alias, at) => [alias, kindOf(aggregates[at])] as const),
  };
}

function kindOf(aggregate: Aggregate | undefined): AggregateKind | null {
  return aggregate === undefined ? null : kinds[aggregate.name];
}

function partial({ name, argument }: Aggregate): string {
  return partials[name](printExpression(argument));
}

/** An expression that is an aggregate and nothing else. Throws for one that only holds an aggregate. */
function wholeAggregate(expression: Expression): Aggregate | undefined {
  if (expression.kind === 'aggregate') return expression;
  const [inner] = aggregatesIn(expression);
  if (inner === undefined) return undefined;
  throw queryError('Compositions of aggregates and other expressions are not allowed.', 'SC2103', inner.span);
}

function hasAggregate(query: Query): boolean {
  return selectedBy(query).some((expression) => aggregatesIn(expression).length > 0);
}

/** Aggregates of an expression itself; those of its subqueries are their own. */
function aggregatesIn(expression: Expression): Aggregate[] {
  return expression.kind === 'aggregate' ? [expression] : childrenOf(expression).flatMap(aggregatesIn);
}
