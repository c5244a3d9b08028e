import type { JsonObject } from '../json.ts';
import type { Expression, Query } from './ast.ts';
import { documentPath } from './document-path.ts';
import { serves } from './index-policy.ts';
import { type CompositeTerm, compositeIndexes, isIndexed, printPath } from './indexed-path.ts';

/** Indexes that a query uses, or would. */
interface Indexes {
  readonly SingleIndexes: ReadonlyArray<{ readonly IndexSpec: string }>;
  readonly CompositeIndexes: ReadonlyArray<{ readonly IndexSpecs: readonly string[] }>;
}

/** What index metrics tell of a query: derived from its filter and order, as the documentation describes it. */
export interface IndexMetrics {
  readonly UtilizedIndexes: Indexes;
  readonly PotentialIndexes: Indexes;
}

/** A property that the filter reads; several equalities and one range share a composite index. */
interface Filtered {
  readonly path: readonly string[];
  readonly use: 'equality' | 'range' | 'other';
}

/** Derives which indexes serve a query, and which would if the policy had them. */
export function indexMetrics(query: Query, policy: JsonObject): IndexMetrics {
  const filtered = query.where === undefined ? [] : distinctPaths(filteredIn(query.where, query));
  const order = query.orderBy.flatMap(({ expression, descending }) => {
    const path = documentPath(expression, query);
    return path === undefined ? [] : [{ path, descending }];
  });
  const single = distinctPaths([...filtered, ...order.map(({ path }) => ({ path, use: 'other' as const }))]);
  const composite = compositeFor(filtered, order);
  const hasComposite = compositeIndexes(policy).some((index) => serves(index, composite));
  const composites = composite.length < 2 ? [] : [{ IndexSpecs: composite.map(printTerm) }];
  const specs = (indexed: boolean) =>
    single
      .filter(({ path }) => isIndexed(policy, path) === indexed)
      .map(({ path }) => ({ IndexSpec: `${printPath(path)}/?` }));
  return {
    UtilizedIndexes: { SingleIndexes: specs(true), CompositeIndexes: hasComposite ? composites : [] },
    PotentialIndexes: {
      SingleIndexes: specs(false).map(scored),
      CompositeIndexes: hasComposite ? [] : composites.map(scored),
    },
  };
}

function scored<T>(index: T): T & { readonly IndexImpactScore: 'High' } {
  return { ...index, IndexImpactScore: 'High' };
}

function printTerm({ path, descending }: CompositeTerm): string {
  return `${printPath(path)} ${descending ? 'DESC' : 'ASC'}`;
}

/** Equalities first, then one range, then the order: or nothing where a single index is all that helps. */
function compositeFor(filtered: readonly Filtered[], order: readonly CompositeTerm[]): CompositeTerm[] {
  const equal = filtered.filter(({ use }) => use === 'equality');
  const ranges = order.length > 0 ? [] : filtered.filter(({ use }) => use === 'range').slice(0, 1);
  const ordered = new Set(order.map(({ path }) => path.join('\n')));
  const leading = [...equal, ...ranges].filter(({ path }) => !ordered.has(path.join('\n')));
  return [...leading.map(({ path }) => ({ path, descending: false })), ...order];
}

const comparisons: Readonly<Record<string, Filtered['use']>> = {
  '=': 'equality',
  '!=': 'other',
  '<': 'range',
  '<=': 'range',
  '>': 'range',
  '>=': 'range',
};

function filteredIn(filter: Expression, query: Query): Filtered[] {
  if (filter.kind === 'and') return [...filteredIn(filter.left, query), ...filteredIn(filter.right, query)];
  // Either side of OR alone does not narrow the results.
  if (filter.kind === 'or') {
    return [...filteredIn(filter.left, query), ...filteredIn(filter.right, query)].map(withoutOrder);
  }
  if (filter.kind === 'not') return filteredIn(filter.operand, query).map(withoutOrder);
  if (filter.kind === 'in') return reading(filter.operand, query, 'equality');
  if (filter.kind === 'between') return reading(filter.operand, query, 'range');
  if (filter.kind === 'like') return reading(filter.operand, query, 'other');
  if (filter.kind === 'call')
    return filter.arguments.flatMap((value) => callReading(filter.name, value, query));
  if (filter.kind !== 'binary') return reading(filter, query, 'other');
  const use = comparisons[filter.operator];
  if (use === undefined) return [];
  return [...reading(filter.left, query, use), ...reading(filter.right, query, use)];
}

function withoutOrder({ path }: Filtered): Filtered {
  return { path, use: 'other' };
}

function reading(expression: Expression, query: Query, use: Filtered['use']): Filtered[] {
  const path = documentPath(expression, query);
  return path === undefined || path.length === 0 ? [] : [{ path, use }];
}

function callReading(name: string, argument: Expression, query: Query): Filtered[] {
  const found = reading(argument, query, 'other');
  return name.toUpperCase().startsWith('ARRAY_')
    ? found.map(({ path, use }) => ({ path: [...path, '[]'], use }))
    : found;
}

function distinctPaths(filtered: readonly Filtered[]): Filtered[] {
  return [...new Map(filtered.map((entry) => [entry.path.join('\n'), entry])).values()];
}
