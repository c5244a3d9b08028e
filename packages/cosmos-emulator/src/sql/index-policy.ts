import type { JsonObject } from '../json.ts';
import { badRequest, queryError } from '../service-error.ts';
import type { Expression, OrderTerm, Query } from './ast.ts';
import { derivedSource } from './derived-source.ts';
import { documentPath } from './document-path.ts';
import { type CompositeTerm, compositeIndexes, isIncludedByName, isIndexed } from './indexed-path.ts';

/**
 * Holds ORDER BY against the indexing policy. Several fields need a composite index of exactly those fields, in those
 * directions or all of them reversed, and a single field needs to be indexed: else status 400. A single field leaves
 * out the documents that lack it, unless the policy includes its path by name: so the service documents it.
 */
export function applyIndexPolicy(query: Query, policy: JsonObject): Query {
  const [term, ...others] = query.orderBy;
  // The results of another query have no index.
  if (term === undefined || query.rank || derivedSource(query) !== undefined) return query;
  const paths = query.orderBy.map(({ expression }) => orderPath(expression, query));
  if (others.length > 0) {
    const wanted = query.orderBy.map(({ descending }, at) => ({ path: paths[at] ?? [], descending }));
    if (compositeIndexes(policy).some((index) => serves(index, wanted))) return query;
    throw indexError(
      'The order by query does not have a corresponding composite index that it can be served from.',
    );
  }
  const [path] = paths;
  if (path === undefined || path.length === 0) return query;
  if (!isIndexed(policy, path)) {
    throw indexError('The index path corresponding to the specified order-by item is excluded.');
  }
  if (isIncludedByName(policy, path)) return query;
  return { ...query, where: both(query.where, isDefined(term)) };
}

/** Tells whether a composite index gives an order, read forwards or backwards. */
export function serves(index: readonly CompositeTerm[], wanted: readonly CompositeTerm[]): boolean {
  if (index.length !== wanted.length) return false;
  return [false, true].some((reversed) =>
    wanted.every(({ path, descending }, at) => {
      const entry = index[at];
      return entry?.path.join('\n') === path.join('\n') && entry.descending === (descending !== reversed);
    }),
  );
}

/** The path that an item of ORDER BY reads. Throws 400 for what is no path; undefined for one into an array. */
function orderPath(expression: Expression, query: Query): readonly string[] | undefined {
  const path = documentPath(expression, query);
  if (path !== undefined) return path;
  const span = 'span' in expression ? expression.span : undefined;
  if (query.from.some(({ alias }, at) => at > 0 && alias !== undefined && alias === leftmost(expression))) {
    throw queryError('Order-by over correlated collections is not supported.', 'SC2202', span);
  }
  if (isElement(expression)) return undefined;
  throw queryError(
    'Unsupported ORDER BY clause. ORDER BY item expression could not be mapped to a document path.',
    'SC2206',
    span,
  );
}

function leftmost(expression: Expression): string | undefined {
  if (expression.kind === 'variable') return expression.name;
  return expression.kind === 'member' || expression.kind === 'index'
    ? leftmost(expression.object)
    : undefined;
}

function isElement(expression: Expression): boolean {
  if (expression.kind === 'index') return expression.index.kind === 'literal' && isPath(expression.object);
  return expression.kind === 'member' && isElement(expression.object);
}

function isPath({ kind }: Expression): boolean {
  return kind === 'variable' || kind === 'member' || kind === 'index';
}

function both(filter: Expression | undefined, other: Expression): Expression {
  return filter === undefined ? other : { kind: 'and', left: filter, right: other };
}

function isDefined(term: OrderTerm): Expression {
  return { kind: 'call', name: 'IS_DEFINED', arguments: [term.expression], span: { start: 0, end: 0 } };
}

/** What the index cannot serve is refused in another shape than what the compiler finds. */
function indexError(message: string): Error {
  return badRequest(`Message: ${JSON.stringify({ Errors: [message] })}`);
}
