import { isObject, type Json, type JsonObject, parsePath } from '../json.ts';
import { queryError } from '../service-error.ts';
import { pathOf, rootOf } from './access-path.ts';
import type { Expression, OrderTerm, Query } from './ast.ts';

/**
 * Holds ORDER BY against the indexing policy. Several fields need a composite index of exactly those fields, in those
 * directions or all of them reversed: else status 400. A single field leaves out the documents that lack it, unless
 * the policy includes its path by name: so the service documents it.
 */
export function applyIndexPolicy(query: Query, policy: JsonObject): Query {
  const [term, ...others] = query.orderBy;
  if (term === undefined) return query;
  if (others.length > 0) {
    requireCompositeIndex(query, policy);
    return query;
  }
  const path = pathOf(term.expression, rootOf(query));
  if (path === undefined || path.length === 0 || includedByName(policy, path)) return query;
  return { ...query, where: both(query.where, isDefined(term)) };
}

function both(filter: Expression | undefined, other: Expression): Expression {
  return filter === undefined ? other : { kind: 'and', left: filter, right: other };
}

function isDefined(term: OrderTerm): Expression {
  return { kind: 'call', name: 'IS_DEFINED', arguments: [term.expression], span: { start: 0, end: 0 } };
}

function requireCompositeIndex(query: Query, policy: JsonObject): void {
  const root = rootOf(query);
  const wanted = query.orderBy.map(({ expression, descending }) => ({
    path: pathOf(expression, root),
    descending,
  }));
  const indexes = Array.isArray(policy.compositeIndexes) ? policy.compositeIndexes : [];
  const serves = indexes.some((index) => {
    if (!Array.isArray(index) || index.length !== wanted.length) return false;
    return [false, true].some((reversed) =>
      wanted.every(({ path, descending }, at) => {
        const entry = compositeEntry(index[at]);
        const same = path !== undefined && entry?.path.join('\n') === path.join('\n');
        return same && entry?.descending === (descending !== reversed);
      }),
    );
  });
  if (serves) return;
  throw queryError(
    'The order by query does not have a corresponding composite index that it can be served from.',
    'SC2021',
  );
}

function compositeEntry(
  entry: Json | undefined,
): { path: readonly string[]; descending: boolean } | undefined {
  if (!isObject(entry) || typeof entry.path !== 'string') return undefined;
  return { path: parsePath(entry.path), descending: entry.order === 'descending' };
}

function includedByName(policy: JsonObject, path: readonly string[]): boolean {
  const included = Array.isArray(policy.includedPaths) ? policy.includedPaths : [];
  return included.some((entry) => {
    if (!isObject(entry) || typeof entry.path !== 'string') return false;
    const names = parsePath(entry.path);
    const mark = names.pop();
    return (mark === '?' || mark === '*') && names.length > 0 && names.join('\n') === path.join('\n');
  });
}
