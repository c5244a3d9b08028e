import type { Expression, Query } from './ast.ts';

/** Gives the parts of an expression; a query inside it is no part. */
export function childrenOf(expression: Expression): Expression[] {
  if ('query' in expression) return [];
  if (expression.kind === 'object') return expression.properties.map(([, value]) => value);
  if (expression.kind === 'literal') return [];
  const parts: unknown[] = Object.values(expression).flat();
  return parts.filter(isExpression);
}

function isExpression(part: unknown): part is Expression {
  return typeof part === 'object' && part !== null && 'kind' in part;
}

/** Gives the expressions that SELECT makes results of. */
export function selectedBy({ select }: Pick<Query, 'select'>): Expression[] {
  if (select.kind === 'value') return [select.expression];
  return select.kind === 'list' ? select.items.map((item) => item.expression) : [];
}

/** Gives the expressions that become results, or that order them. */
export function resultsOf(query: Query): Expression[] {
  return [...selectedBy(query), ...query.orderBy.map((term) => term.expression)];
}

/** Tells how deep expressions and queries lie inside a query, without a stack that could run out. */
export function depthOf(query: Query): number {
  let deepest = 0;
  const rest: Array<readonly [part: Expression | Query, depth: number]> = [[query, 0]];
  for (let next = rest.pop(); next !== undefined; next = rest.pop()) {
    const [part, depth] = next;
    deepest = Math.max(deepest, depth);
    const isQuery = 'from' in part;
    const inside = isQuery ? [...expressionsOf(part), ...queriesOf(part)] : childrenOf(part);
    for (const one of inside) rest.push([one, depth + 1]);
    if (!isQuery && 'query' in part) rest.push([part.query, depth + 1]);
  }
  return deepest;
}

function queriesOf({ from }: Query): Query[] {
  return from.flatMap(({ source }) => (source.kind === 'query' ? [source.query] : []));
}

function expressionsOf(query: Query): Expression[] {
  const sources = query.from.flatMap(({ source }) => (source.kind === 'query' ? [] : [source]));
  const filter = query.where === undefined ? [] : [query.where];
  return [...resultsOf(query), ...sources, ...filter, ...query.groupBy];
}

/** What the service limits in a query and all that are inside it. */
interface Tally {
  readonly joins: number;
  readonly udfs: number;
}

/** Counts over a whole query what the service limits. */
export function tally(query: Query): Tally {
  let joins = 0;
  let udfs = 0;
  const queries = [query];
  const expressions: Expression[] = [];
  for (let next = queries.pop(); next !== undefined; next = queries.pop()) {
    joins += Math.max(0, next.from.length - 1);
    for (const part of queriesOf(next)) queries.push(part);
    for (const part of expressionsOf(next)) expressions.push(part);
    for (let part = expressions.pop(); part !== undefined; part = expressions.pop()) {
      if (part.kind === 'udf') udfs++;
      if ('query' in part) queries.push(part.query);
      for (const child of childrenOf(part)) expressions.push(child);
    }
  }
  return { joins, udfs };
}
