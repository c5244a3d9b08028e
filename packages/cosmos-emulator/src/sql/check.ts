import { queryError } from '../service-error.ts';
import type { Expression, ExpressionOf, Query } from './ast.ts';
import { Identities } from './identity.ts';
import { printExpression } from './print.ts';
import { childrenOf, resultsOf, tally } from './visit.ts';

/** As the service documents them. */
const limits = { joins: 10, udfs: 10 } as const;

/** Refuses with status 400 a whole query that does too much of something. */
export function checkLimits(query: Query): void {
  const { joins, udfs } = tally(query);
  if (joins > limits.joins) throw exceeded('joins', limits.joins, 'SC3002', query);
  if (udfs > limits.udfs) throw exceeded('user-defined function calls', limits.udfs, 'SC3005', query);
}

function exceeded(what: string, limit: number, code: string, { span }: Query): Error {
  const message = `The SQL query exceeded the maximum number of ${what}. The allowed limit is ${limit}.`;
  return queryError(message, code, span);
}

/** Refuses with status 400 clauses that do not go together. */
export function checkClauses(query: Query): void {
  checkStar(query);
  checkSources(query);
  if (query.rank) throw queryError("'ORDER BY RANK' is not supported.", 'SC2105', query.span);
  if (query.groupBy.length > 0 && query.orderBy.length > 0) {
    throw queryError("'ORDER BY' is not supported in presence of GROUP BY.", 'SC2105', query.span);
  }
  if (query.top !== undefined && query.limit !== undefined) {
    throw queryError("'TOP' is not supported in presence of OFFSET LIMIT.", 'SC2105', query.span);
  }
}

function checkStar({ select, from, groupBy }: Query): void {
  if (select.kind !== 'star') return;
  if (from.length === 0) {
    throw queryError("'SELECT *' is not valid if FROM clause is omitted.", 'SC2040', select.span);
  }
  if (from.length > 1) {
    throw queryError("'SELECT *' is only valid with a single input set.", 'SC2041', select.span);
  }
  if (groupBy.length > 0) {
    throw queryError("'SELECT *' is not valid with GROUP BY clause.", 'SC2042', select.span);
  }
}

function checkSources({ from, span }: Query): void {
  const seen = new Set<string>();
  for (const { alias } of from) {
    if (alias === undefined) continue;
    if (seen.has(alias)) {
      throw queryError(
        `The input alias '${alias}' is specified more than once in the FROM clause.`,
        'SC2011',
        span,
      );
    }
    seen.add(alias);
  }
}

/** Refuses with status 400 what is read from single rows where rows are folded into groups. */
export function checkGrouping(query: Query, aggregated: boolean): void {
  if (!aggregated && query.groupBy.length === 0) return;
  const identities = new Identities();
  const keys = new Set(query.groupBy.map((expression) => identities.of(expression)));
  const isKey = (expression: Expression): boolean => keys.has(identities.of(expression));
  for (const expression of resultsOf(query)) checkGrouped(expression, isKey);
}

function checkGrouped(expression: Expression, isKey: (expression: Expression) => boolean): void {
  if (expression.kind === 'aggregate' || isKey(expression)) return;
  if (!isReference(expression)) {
    for (const child of childrenOf(expression)) checkGrouped(child, isKey);
    return;
  }
  for (let step = expression; step.kind !== 'variable'; ) {
    if (isKey(step.object)) return;
    if (!isReference(step.object)) return checkGrouped(step.object, isKey);
    step = step.object;
  }
  const message = `Property reference '${printExpression(expression)}' is invalid in the select list because it is not contained in either an aggregate function or the GROUP BY clause.`;
  throw queryError(message, 'SC2103', expression.span);
}

type Reference = ExpressionOf<'variable' | 'member' | 'index'>;

function isReference(expression: Expression): expression is Reference {
  return expression.kind === 'variable' || expression.kind === 'member' || expression.kind === 'index';
}
