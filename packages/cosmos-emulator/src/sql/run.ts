import { canonical, type Json, type JsonObject, type Value } from '../json.ts';
import { queryError } from '../service-error.ts';
import type { Aggregation } from './aggregate.ts';
import { cost, weigh } from './allowance.ts';
import type { Expression, Query, SelectItem } from './ast.ts';
import { checkClauses, checkGrouping } from './check.ts';
import { compareValues } from './compare.ts';
import { setProperty } from './evaluate/values.ts';
import { compileFrom, type Expand, slotsOf } from './from.ts';
import type { Evaluator, Row, Run, Scope } from './scope.ts';
import { childrenOf, selectedBy } from './visit.ts';

/** A query that is ready to run. */
export interface CompiledQuery {
  /** Runs it for one row of the enclosing scope: the document for the outermost, an outer row for a subquery. */
  execute(outer: Row, run: Run): Json[];
  /** Runs it over documents; the result is whole, ordered and cut. */
  executeOver(documents: Iterable<Json>, run: Run): Json[];
  /** Runs a streaming query over one document. */
  resultsOf(document: Json, run: Run): Json[];
  /** Runs an ordered query over documents, without OFFSET, LIMIT and TOP: the first results in the order, each with its place. */
  sorted(
    documents: Iterable<OrderedSource>,
    options: { readonly run: Run; readonly first: number },
  ): SortedResult[];
  /** Compares places in the order of the results. */
  comparePlaces(left: ResultPlace, right: ResultPlace): number;
  /** Number of the terms of ORDER BY. */
  readonly orderLength: number;
  /** How many results to leave out, and how many to give at most, by OFFSET, LIMIT and TOP. */
  cut(run: Run): { readonly offset: number; readonly maximum: number };
  /**
   * How results come in pages: `stream`, each document by itself; `ordered`, after a place in the order; `whole`, all
   * together.
   */
  readonly paging: 'stream' | 'ordered' | 'whole';
}

/** A document, and its place in the order of creation. */
export interface OrderedSource {
  readonly document: Json;
  readonly sequence: number;
}

/** Where a result stands: by the terms of ORDER BY, then by creation, last first where a term descends, then inside its document. */
export interface ResultPlace {
  readonly keys: readonly Value[];
  readonly sequence: number;
  readonly ordinal: number;
}

/** A result with its place. */
export interface SortedResult extends ResultPlace {
  readonly value: Json;
}

/** How rows that fit become results. */
interface Plan {
  readonly expand: Expand;
  readonly project: Evaluator;
  readonly order: ReadonlyArray<{ readonly value: Evaluator; readonly descending: boolean }>;
  /** Whether the index is read backwards, so that of equals the last one comes first: clients rely on that. */
  readonly reversed: boolean;
  readonly group: readonly Evaluator[];
  readonly aggregations: readonly Aggregation[];
  readonly distinct: boolean;
  readonly top: Evaluator | undefined;
  readonly offset: Evaluator | undefined;
  readonly limit: Evaluator | undefined;
}

/** Compiles a query against the names of the scope around it. Throws status 400 for what does not resolve. */
export function compileQuery(query: Query, outer: Scope): CompiledQuery {
  checkClauses(query);
  const aggregations: Aggregation[] = [];
  const scope: Scope = { ...outer, slots: slotsOf(query, outer), aggregations };
  const plain: Scope = { ...scope, aggregations: undefined };
  const plan: Plan = {
    expand: compileFrom(query, outer),
    project: weighed(query, compileSelect(query, scope)),
    order: query.orderBy.map(({ expression, descending }) => ({
      value: scope.compile(expression, scope),
      descending,
    })),
    reversed: query.orderBy.some(({ descending }) => descending),
    group: query.groupBy.map((expression) => scope.compile(expression, plain)),
    aggregations,
    distinct: query.distinct,
    top: bound(query.top, 'TOP', plain),
    offset: bound(query.offset, 'OFFSET', plain),
    limit: bound(query.limit, 'LIMIT', plain),
  };
  checkGrouping(query, aggregations.length > 0);
  const grouped = plan.group.length > 0 || plan.aggregations.length > 0;
  const whole = grouped || plan.distinct;
  return {
    execute: (row, run) => finish(plan, collect(plan, [row], run), run),
    executeOver: (documents, run) => finish(plan, collect(plan, rowsOf(documents), run), run),
    resultsOf: (document, run) => {
      const results: Json[] = [];
      plan.expand([document], run, (row) => {
        run.spend(cost.result);
        const value = plan.project(row, run);
        if (value !== undefined) results.push(value);
      });
      return results;
    },
    sorted: (documents, options) => sortedResults(plan, documents, options),
    comparePlaces: (left, right) => comparePlaces(plan, left, right),
    orderLength: plan.order.length,
    cut: (run) => cutOf(plan, run),
    paging: whole ? 'whole' : plan.order.length > 0 ? 'ordered' : 'stream',
  };
}

function* rowsOf(documents: Iterable<Json>): Generator<Row> {
  for (const document of documents) yield [document];
}

function bound(expression: Expression | undefined, clause: string, scope: Scope): Evaluator | undefined {
  if (expression === undefined) return undefined;
  const evaluate = scope.compile(expression, scope);
  return (row, run) => {
    const value = evaluate(row, run);
    if (Number.isInteger(value) && Number(value) >= 0) return value;
    throw queryError(`The ${clause} value must be a non-negative integer.`, 'SC2062');
  };
}

/** Reads of a source that a result may have before its weight is looked at. */
const lightReads = 16;

/** A result that repeats its sources, or sources that were built, is weighed: it could take more room than there is. */
function weighed(query: Query, project: Evaluator): Evaluator {
  const parts = selectedBy(query);
  let reads = 0;
  for (let part = parts.pop(); part !== undefined; part = parts.pop()) {
    if (part.kind === 'variable' || part.kind === 'parameter' || 'query' in part) reads++;
    for (const child of childrenOf(part)) parts.push(child);
  }
  const isBuilt = query.from.some(({ source }) => source.kind === 'query');
  if (reads <= lightReads && !isBuilt) return project;
  return (row, run) => {
    const value = project(row, run);
    weigh(value, run.spend);
    return value;
  };
}

function compileSelect(query: Query, scope: Scope): Evaluator {
  const { select } = query;
  if (select.kind === 'value') return scope.compile(select.expression, scope);
  if (select.kind === 'star') {
    const slot = scope.slots.get(query.from[0]?.alias ?? '') ?? Math.max(...scope.slots.values());
    return (row) => row[slot];
  }
  const names = selectNames(select.items);
  const items = select.items.map(
    ({ expression }, at) => [names[at] ?? '', scope.compile(expression, scope)] as const,
  );
  return (row, run) => {
    const result: JsonObject = {};
    for (const [name, evaluate] of items) setProperty(result, name, evaluate(row, run));
    return result;
  };
}

/** Names the properties of SELECT: by alias, by the property read, or `$1`, `$2` for the others. */
export function selectNames(items: readonly SelectItem[]): string[] {
  let unnamed = 0;
  return items.map(({ expression, alias }) => {
    const own = expression.kind === 'member' || expression.kind === 'variable' ? expression.name : undefined;
    return alias ?? own ?? `$${++unnamed}`;
  });
}

/** A result before ordering, with the values that it is ordered by. */
interface Candidate {
  readonly value: Value;
  readonly keys: readonly Value[];
}

function collect(plan: Plan, rows: Iterable<Row>, run: Run): Candidate[] {
  if (plan.group.length > 0 || plan.aggregations.length > 0) return collectGroups(plan, rows, run);
  const found: Candidate[] = [];
  const emit = (row: Row): void => {
    run.spend(cost.result);
    const value = plan.project(row, run);
    if (value !== undefined) found.push({ value, keys: plan.order.map((term) => term.value(row, run)) });
  };
  for (const row of rows) plan.expand(row, run, emit);
  return found;
}

function groupKey({ group }: Plan, row: Row, run: Run): ReturnType<typeof keyOf> {
  const [first] = group;
  if (group.length === 1 && first !== undefined) return keyOf(first(row, run), run);
  // Strings begin with a quote: no value looks like another.
  return JSON.stringify(group.map((value) => String(keyOf(value(row, run), run))));
}

function collectGroups(plan: Plan, rows: Iterable<Row>, run: Run): Candidate[] {
  const start = () => plan.aggregations.map((aggregation) => aggregation.start());
  const groups = new Map<
    ReturnType<typeof keyOf>,
    { readonly row: Row; readonly accumulators: ReturnType<typeof start> }
  >();
  const emit = (row: Row): void => {
    run.spend(cost.row);
    const key = groupKey(plan, row, run);
    let group = groups.get(key);
    if (group === undefined) groups.set(key, (group = { row, accumulators: start() }));
    for (let at = 0; at < plan.aggregations.length; at++) {
      const value = plan.aggregations[at]?.argument(row, run);
      if (value !== undefined) group.accumulators[at]?.add(value);
    }
  };
  for (const row of rows) plan.expand(row, run, emit);
  // Aggregates without GROUP BY answer for an empty input too.
  if (plan.group.length === 0 && groups.size === 0) groups.set('', { row: [], accumulators: start() });
  return [...groups.values()].flatMap(({ row, accumulators }) => {
    const within: Run = { ...run, aggregates: accumulators.map((accumulator) => accumulator.result()) };
    const value = plan.project(row, within);
    return value === undefined ? [] : [{ value, keys: plan.order.map((term) => term.value(row, within)) }];
  });
}

/** The same key for the same value: scalars are their own, which is quicker than a text. */
function keyOf(value: Value, run: Run): string | number | boolean | null | undefined {
  if (typeof value === 'string') return `"${value}`;
  if (typeof value !== 'object' || value === null) return value;
  weigh(value, run.spend);
  return canonical(value);
}

function finish(plan: Plan, found: Candidate[], run: Run): Json[] {
  if (plan.order.length > 0) found.sort((left, right) => compareKeys(plan, left.keys, right.keys));
  let results = found.map(({ value }) => value).filter((value) => value !== undefined);
  if (plan.distinct) results = [...new Map(results.map((value) => [keyOf(value, run), value])).values()];
  const { offset, maximum } = cutOf(plan, run);
  return offset === 0 && maximum >= results.length ? results : results.slice(offset, offset + maximum);
}

function cutOf(plan: Plan, run: Run): { offset: number; maximum: number } {
  const offset = Number(plan.offset?.([], run) ?? 0);
  const limit = Number(plan.limit?.([], run) ?? Number.POSITIVE_INFINITY);
  return { offset, maximum: Math.min(limit, Number(plan.top?.([], run) ?? Number.POSITIVE_INFINITY)) };
}

/** Results beyond those that are wanted that may pile up before they are sorted away. */
const slack = 512;

/** Sorts, and keeps no more than the first so many: a short answer out of many documents needs no long sort. */
function sortedResults(
  plan: Plan,
  documents: Iterable<OrderedSource>,
  { run, first }: { readonly run: Run; readonly first: number },
): SortedResult[] {
  const found: SortedResult[] = [];
  let worst: SortedResult | undefined;
  const sort = (): void => {
    found.sort((left, right) => comparePlaces(plan, left, right));
    if (found.length <= first) return;
    found.length = first;
    worst = found.at(-1);
  };
  for (const { document, sequence } of documents) {
    let ordinal = 0;
    plan.expand([document], run, (row) => {
      run.spend(cost.result);
      const value = plan.project(row, run);
      if (value === undefined) return;
      const keys = plan.order.map((term) => term.value(row, run));
      const result = { value, keys, sequence, ordinal: ordinal++ };
      if (worst !== undefined && comparePlaces(plan, result, worst) > 0) return;
      found.push(result);
      if (found.length >= first + slack) sort();
    });
  }
  sort();
  return found;
}

function comparePlaces(plan: Plan, left: ResultPlace, right: ResultPlace): number {
  const age = plan.reversed ? right.sequence - left.sequence : left.sequence - right.sequence;
  return compareKeys(plan, left.keys, right.keys) || age || left.ordinal - right.ordinal;
}

function compareKeys(plan: Plan, left: readonly Value[], right: readonly Value[]): number {
  for (let at = 0; at < plan.order.length; at++) {
    const order = compareValues(left[at], right[at]);
    if (order !== 0) return plan.order[at]?.descending === true ? -order : order;
  }
  return 0;
}
