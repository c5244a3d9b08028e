import { isObject, type Json } from '../json.ts';
import { badRequest } from '../service-error.ts';
import type { Expression, Query } from './ast.ts';
import { compile } from './evaluate.ts';
import { parseQuery } from './parse.ts';
import { compileQuery } from './run.ts';
import type { Evaluator, Scope } from './scope.ts';
import { childrenOf } from './visit.ts';

/** What a computed property reads: an expression over the document, which goes by a name of its own. */
export interface ComputedProperty {
  readonly root: string;
  readonly expression: Expression;
}

/**
 * Reads the query of a computed property: `SELECT VALUE` of one expression from the document, and nothing more.
 * Throws status 400 for any other query.
 */
export function parseComputedProperty(text: string, name: string): ComputedProperty {
  const query = parseQuery(text);
  const reason = reasonAgainst(query);
  if (reason !== undefined) {
    throw badRequest(`The query of the computed property '${name}' is invalid: ${reason}.`);
  }
  const { select, from } = query;
  if (select.kind !== 'value') throw new RangeError('A query without an expression has been refused.');
  const property = { root: from[0]?.alias ?? '', expression: select.expression };
  compileComputed(property);
  return property;
}

function reasonAgainst(query: Query): string | undefined {
  const { select, from } = query;
  const [source] = from;
  if (select.kind !== 'value') return 'it must have the form SELECT VALUE <expression> FROM c';
  if (from.length !== 1 || source?.source.kind !== 'variable' || source.iterate) {
    return 'its FROM clause must name the item and nothing else';
  }
  return hasClauses(query) ? 'it may have no clauses but SELECT VALUE and FROM' : reasonIn(select.expression);
}

function hasClauses({ distinct, top, where, groupBy, orderBy, limit }: Query): boolean {
  const given = [top, where, limit].some((clause) => clause !== undefined);
  return distinct || given || groupBy.length > 0 || orderBy.length > 0;
}

/** What the service documents as having no place in a computed property. */
function reasonIn(expression: Expression): string | undefined {
  if ('query' in expression) return 'it may have no subquery';
  if (expression.kind === 'aggregate') return 'it may have no aggregate function';
  if (expression.kind === 'udf') return 'it may have no user-defined function';
  if (expression.kind === 'parameter') return 'it may have no parameter';
  if (expression.kind === 'call' && /^(?:GetCurrent|RAND$|ST_)/i.test(expression.name)) {
    return `it may not call ${expression.name}`;
  }
  for (const child of childrenOf(expression)) {
    const reason = reasonIn(child);
    if (reason !== undefined) return reason;
  }
  return undefined;
}

function compileComputed({ root, expression }: ComputedProperty): Evaluator {
  const scope: Scope = {
    slots: new Map([[root, 0]]),
    aggregations: undefined,
    computed: new Map(),
    compile,
    compileQuery,
  };
  return compile(expression, scope);
}

/** Compiles the computed properties of a container's definition, by name. */
export function computedProperties(definition: Json | undefined): ReadonlyMap<string, Evaluator> {
  const entries = Array.isArray(definition) ? definition : [];
  return new Map(
    entries.flatMap((entry) => {
      if (!isObject(entry) || typeof entry.name !== 'string' || typeof entry.query !== 'string') return [];
      return [[entry.name, compileComputed(parseComputedProperty(entry.query, entry.name))] as const];
    }),
  );
}
