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
export function parseComputedProperty(text: string): ComputedProperty {
  const query = parseQuery(text);
  const { select, from } = query;
  const [source] = from;
  const root = source?.source.kind === 'variable' && !source.iterate ? source.alias : undefined;
  if (select.kind !== 'value') throw refusal('it must be of the form SELECT VALUE');
  if (root === undefined || from.length !== 1)
    throw refusal('its FROM clause must name the item and nothing else');
  if (hasClauses(query)) throw refusal('it may have no clause but SELECT VALUE and FROM');
  checkParts(select.expression);
  const property = { root, expression: select.expression };
  compileComputed(property);
  return property;
}

function refusal(reason: string): Error {
  return badRequest(`The query of the computed property is invalid: ${reason}.`);
}

function hasClauses({ distinct, top, where, groupBy, orderBy, limit }: Query): boolean {
  const given = [top, where, limit].some((clause) => clause !== undefined);
  return distinct || given || groupBy.length > 0 || orderBy.length > 0;
}

function checkParts(expression: Expression): void {
  if ('query' in expression) throw refusal('it may have no subquery');
  if (expression.kind === 'aggregate') throw refusal('it may have no aggregate function');
  if (expression.kind === 'udf') throw refusal('it may have no user-defined function');
  if (expression.kind === 'parameter') throw refusal('it may have no parameter');
  if (expression.kind === 'call' && /^(?:GetCurrent|RAND$|ST_)/i.test(expression.name)) {
    throw refusal(`it may not call ${expression.name}`);
  }
  for (const child of childrenOf(expression)) checkParts(child);
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
      return [[entry.name, compileComputed(parseComputedProperty(entry.query))] as const];
    }),
  );
}
