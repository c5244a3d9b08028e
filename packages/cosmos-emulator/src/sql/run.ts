import { canonical, type Json, type JsonObject, type Value } from '../json.ts';
import { queryError } from '../service-error.ts';
import type { Aggregation } from './aggregate.ts';
import type { Expression, FromItem, Query, SelectItem } from './ast.ts';
import { compareValues } from './compare.ts';
import { compile, type Evaluator, type Row, type Run, type Scope, setProperty } from './evaluate.ts';

/** A query that is ready to run. */
export interface CompiledQuery {
  /** Runs it for one row of the enclosing scope: the document for the outermost, an outer row for a subquery. */
  execute(outer: Row, run: Run): Json[];
  /** Runs it over documents; the result is whole, ordered and cut. */
  executeOver(documents: Iterable<Json>, run: Run): Json[];
  /** Runs a streaming query over one document. */
  resultsOf(document: Json, run: Run): Json[];
  /** Whether each document gives its results by itself, so that a page can stop in the middle. */
  readonly streaming: boolean;
}

/** How rows that fit become results. */
interface Plan {
  readonly expand: (row: Row, run: Run, emit: (row: Row) => void) => void;
  readonly project: Evaluator;
  readonly order: ReadonlyArray<{ readonly value: Evaluator; readonly descending: boolean }>;
  readonly group: readonly Evaluator[];
  readonly aggregations: readonly Aggregation[];
  readonly distinct: boolean;
  readonly top: Evaluator | undefined;
  readonly offset: Evaluator | undefined;
  readonly limit: Evaluator | undefined;
}

/** Compiles a query against the names of the scope around it. Throws status 400 for what does not resolve. */
export function compileQuery(query: Query, outer: Scope): CompiledQuery {
  checkMeaning(query);
  const aggregations: Aggregation[] = [];
  const scope: Scope = { slots: slotsOf(query, outer), aggregations, compileQuery };
  const plan: Plan = {
    expand: compileFrom(query, outer),
    project: compileSelect(query, scope),
    order: query.orderBy.map(({ expression, descending }) => ({
      value: compile(expression, scope),
      descending,
    })),
    group: query.groupBy.map((expression) => compile(expression, { ...scope, aggregations: undefined })),
    aggregations,
    distinct: query.distinct,
    top: bound(query.top, 'TOP'),
    offset: bound(query.offset, 'OFFSET'),
    limit: bound(query.limit, 'LIMIT'),
  };
  const grouped = plan.group.length > 0 || plan.aggregations.length > 0;
  const cut = plan.top !== undefined || plan.limit !== undefined;
  return {
    execute: (row, run) => finish(plan, collect(plan, [row], run), run),
    executeOver: (documents, run) => finish(plan, collect(plan, rowsOf(documents), run), run),
    resultsOf: (document, run) => {
      const results: Json[] = [];
      plan.expand([document], run, (row) => {
        const value = plan.project(row, run);
        if (value !== undefined) results.push(value);
      });
      return results;
    },
    streaming: !grouped && !cut && !plan.distinct && plan.order.length === 0,
  };
}

function* rowsOf(documents: Iterable<Json>): Generator<Row> {
  for (const document of documents) yield [document];
}

function checkMeaning(query: Query): void {
  if (query.select.kind === 'star') {
    const { span } = query.select;
    if (query.from.length === 0)
      throw queryError("'SELECT *' is not valid if FROM clause is omitted.", 'SC2040', span);
    if (query.from.length > 1)
      throw queryError("'SELECT *' is only valid with a single input set.", 'SC2041', span);
    if (query.groupBy.length > 0)
      throw queryError("'SELECT *' is not valid with GROUP BY clause.", 'SC2042', span);
  }
  if (query.groupBy.length > 0 && query.orderBy.length > 0) {
    throw queryError("'ORDER BY' is not supported in presence of GROUP BY.", 'SC2103');
  }
}

/** The first slot that is free; slots of the scope around come before it. */
function slotsOf(query: Query, outer: Scope): Map<string, number> {
  const slots = new Map(outer.slots);
  let next = outer.slots.size === 0 ? 0 : Math.max(...outer.slots.values()) + 1;
  for (const [at, item] of query.from.entries()) {
    // The document that the outermost query starts from already has its slot.
    if (at === 0 && isDocument(item, outer)) slots.set(item.alias ?? '', slots.get(rootName) ?? 0);
    else if (item.alias === undefined) next++;
    else slots.set(item.alias, next++);
  }
  return slots;
}

/** The name under which the outermost scope holds the document; no identifier can spell it. */
export const rootName = '<document>';

/** Only the first source of the outermost query may name the container by any name. */
function isDocument(item: FromItem, outer: Scope): boolean {
  return (
    item.source.kind === 'variable' && !item.iterate && outer.slots.has(rootName) && outer.slots.size === 1
  );
}

type Expand = Plan['expand'];

function compileFrom(query: Query, outer: Scope): Expand {
  const filter = query.where;
  const slots = slotsOf(query, outer);
  const accept =
    filter === undefined ? undefined : compile(filter, { slots, aggregations: undefined, compileQuery });
  let expand: Expand = (row, run, emit) => {
    if (accept === undefined || accept(row, run) === true) emit(row);
  };
  for (let at = query.from.length - 1; at >= 0; at--) {
    const item = query.from[at];
    if (item === undefined || (at === 0 && isDocument(item, outer))) continue;
    expand = joined(sourceOf(query, at, outer), expand);
  }
  return expand;
}

function joined(source: (row: Row, run: Run) => readonly Json[], next: Expand): Expand {
  return (row, run, emit) => {
    for (const value of source(row, run)) next([...row, value], run, emit);
  };
}

/** Compiles one FROM or JOIN source against the sources before it. */
function sourceOf(query: Query, at: number, outer: Scope): (row: Row, run: Run) => readonly Json[] {
  const before: Query = { ...query, from: query.from.slice(0, at) };
  const slots = slotsOf(before, outer);
  const item = query.from[at];
  if (item === undefined) throw new RangeError('A source that the query does not have.');
  const { source, iterate } = item;
  if (source.kind === 'query') {
    const compiled = compileQuery(source.query, { slots, aggregations: undefined, compileQuery });
    if (!iterate) return (row, run) => compiled.execute(row, run);
    return (row, run) => compiled.execute(row, run).flatMap((value) => (Array.isArray(value) ? value : []));
  }
  if (at === 0 && outer.slots.has(rootName)) nameRoot(source, slots);
  const evaluate = compile(source, { slots, aggregations: undefined, compileQuery });
  return (row, run) => {
    const value = evaluate(row, run);
    if (iterate) return Array.isArray(value) ? value : [];
    return value === undefined ? [] : [value];
  };
}

/** Lets `FROM c.children` and `FROM x IN c.children` call the document what they like. */
function nameRoot(source: Expression, slots: Map<string, number>): void {
  let leftmost = source;
  while (leftmost.kind === 'member' || leftmost.kind === 'index') leftmost = leftmost.object;
  if (leftmost.kind === 'variable' && !slots.has(leftmost.name))
    slots.set(leftmost.name, slots.get(rootName) ?? 0);
}

function bound(expression: Expression | undefined, clause: string): Evaluator | undefined {
  if (expression === undefined) return undefined;
  const evaluate = compile(expression, { slots: new Map(), aggregations: undefined, compileQuery });
  return (row, run) => {
    const value = evaluate(row, run);
    if (Number.isInteger(value) && Number(value) >= 0) return value;
    throw queryError(`The ${clause} value must be a non-negative integer.`, 'SC2062');
  };
}

function compileSelect(query: Query, scope: Scope): Evaluator {
  const { select } = query;
  if (select.kind === 'value') return compile(select.expression, scope);
  if (select.kind === 'star') {
    const slot = scope.slots.get(query.from[0]?.alias ?? '') ?? Math.max(...scope.slots.values());
    return (row) => row[slot];
  }
  const names = selectNames(select.items);
  const items = select.items.map(
    ({ expression }, at) => [names[at] ?? '', compile(expression, scope)] as const,
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
    const value = plan.project(row, run);
    if (value !== undefined) found.push({ value, keys: plan.order.map((term) => term.value(row, run)) });
  };
  for (const row of rows) plan.expand(row, run, emit);
  return found;
}

function collectGroups(plan: Plan, rows: Iterable<Row>, run: Run): Candidate[] {
  const start = () => plan.aggregations.map((aggregation) => aggregation.start());
  const groups = new Map<string, { readonly row: Row; readonly accumulators: ReturnType<typeof start> }>();
  const emit = (row: Row): void => {
    const key = plan.group.map((value) => canonical(value(row, run))).join();
    let group = groups.get(key);
    if (group === undefined) groups.set(key, (group = { row, accumulators: start() }));
    for (const [at, aggregation] of plan.aggregations.entries()) {
      const value = aggregation.argument(row, run);
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

function finish(plan: Plan, found: Candidate[], run: Run): Json[] {
  if (plan.order.length > 0) found.sort((left, right) => compareKeys(plan, left.keys, right.keys));
  let results = found.map(({ value }) => value).filter((value) => value !== undefined);
  if (plan.distinct) results = [...new Map(results.map((value) => [canonical(value), value])).values()];
  if (plan.limit !== undefined) {
    const offset = Number(plan.offset?.([], run) ?? 0);
    results = results.slice(offset, offset + Number(plan.limit([], run)));
  }
  return plan.top === undefined ? results : results.slice(0, Number(plan.top([], run)));
}

function compareKeys(plan: Plan, left: readonly Value[], right: readonly Value[]): number {
  for (const [at, { descending }] of plan.order.entries()) {
    const order = compareValues(left[at], right[at]);
    if (order !== 0) return descending ? -order : order;
  }
  return 0;
}
