import type { Json } from '../json.ts';
import { cost, weigh } from './allowance.ts';
import type { Expression, FromItem, Query } from './ast.ts';
import type { Row, Run, Scope } from './scope.ts';

/** Gives the names of a query their slots; those of the scope around come first. */
export function slotsOf(query: Query, outer: Scope): Map<string, number> {
  const slots = new Map(outer.slots);
  let next = outer.slots.size === 0 ? 0 : Math.max(...outer.slots.values()) + 1;
  for (const [at, item] of query.from.entries()) {
    // The document that the outermost query starts from already has its slot.
    if (at === 0 && isDocument(item, outer)) slots.set(item.alias ?? '', slots.get(rootName) ?? 0);
    else slots.set(item.alias ?? `<source ${at}>`, next++);
  }
  return slots;
}

/** The name under which the outermost scope holds the document; no identifier can spell it. */
export const rootName = '<document>';

/** Only the first source of the outermost query may name the container by any name. */
function isDocument(item: FromItem, outer: Scope): boolean {
  return item.source.kind === 'variable' && !item.iterate && isOutermost(outer);
}

function isOutermost({ slots }: Scope): boolean {
  return slots.has(rootName) && slots.size === 1;
}

/** Gives, for one row of the scope around, the rows of the sources that pass the filter. */
export type Expand = (row: Row, run: Run, emit: (row: Row) => void) => void;

/** Compiles FROM, its joins and WHERE. */
export function compileFrom(query: Query, outer: Scope): Expand {
  const filter = query.where;
  const slots = slotsOf(query, outer);
  const accept =
    filter === undefined ? undefined : outer.compile(filter, { ...outer, slots, aggregations: undefined });
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
    for (const value of source(row, run)) {
      run.spend(cost.row);
      next([...row, value], run, emit);
    }
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
    const compiled = outer.compileQuery(source.query, { ...outer, slots, aggregations: undefined });
    return (row, run) => {
      const rows = compiled.execute(row, run);
      // What is built here can go into what is built next, and so on: it must not grow with every level.
      for (const value of rows) weigh(value, run.spend);
      return iterate ? rows.flatMap((value) => (Array.isArray(value) ? value : [])) : rows;
    };
  }
  if (at === 0 && isOutermost(outer)) nameRoot(source, slots);
  const evaluate = outer.compile(source, { ...outer, slots, aggregations: undefined });
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
